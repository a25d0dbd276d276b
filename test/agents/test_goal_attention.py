"""Row 5.12: networks of chapter 5, and the actor that attends to the objects and goals with one head."""

import pytest
import torch
from small_agents import copies, moved

from priorrl_core.agents.ddpg import DDPG, DDPGConfig
from priorrl_core.agents.goal_attention import AttentionDDPG, AttentionDDPGConfig, GoalAttentionActor, GoalLayout
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import StateEncoder

LAYOUT = GoalLayout(robot=2, objects=3, object_size=4, goal_size=3)


def actor(seed=0):
    return GoalAttentionActor(LAYOUT, 2, (16, 16, 16), (16,) * 5, 1.0, torch.Generator().manual_seed(seed))


def features(rows=5, seed=0):
    return torch.randn(rows, LAYOUT.size, generator=torch.Generator().manual_seed(seed))


def count(network):
    return sum(p.numel() for p in network.parameters())


def test_5_12_four_layers_of_256_for_policy_and_critic():
    agent = DDPG(DDPGConfig(), StateEncoder(13), 4)
    assert agent.actor.sizes == (13, 256, 256, 256, 256, 4)
    assert agent.critics.online.sizes == (17, 256, 256, 256, 256, 1)
    assert count(agent.actor) == 14 * 256 + 3 * 257 * 256 + 257 * 4
    assert count(agent.critics.online) == 18 * 256 + 3 * 257 * 256 + 257


def test_5_12_attention_has_three_layers_of_128_one_head_and_five_layers_of_256():
    agent = AttentionDDPG(AttentionDDPGConfig(layout=LAYOUT), StateEncoder(LAYOUT.size), 4)
    assert agent.actor.query.sizes == (9, 128, 128, 128, 1)
    assert agent.actor.network.sizes == (9, 256, 256, 256, 256, 256, 4)
    assert count(agent.actor) == 10 * 128 + 2 * 129 * 128 + 129 + 10 * 256 + 4 * 257 * 256 + 257 * 4


def test_5_12_weights_sum_to_one_and_state_and_goal_share_them():
    a, x = actor(), features()
    weight = a.attention(x)
    assert weight.shape == (5, 3) and torch.allclose(weight.sum(-1), torch.ones(5), atol=1e-6) and (weight > 0).all()
    robot, objects, goals = x[:, :2], x[:, 2:14].view(5, 3, 4), x[:, 14:].view(5, 3, 3)
    for row in range(5):
        wanted = torch.cat([robot[row], weight[row] @ objects[row], weight[row] @ goals[row]])
        assert torch.allclose(a.extracted(x)[row], wanted, atol=1e-6)


def test_5_12_a_query_that_knows_nothing_takes_the_mean_and_a_sure_one_picks_an_object():
    a, x = actor(), features()
    with torch.no_grad():
        a.query.weights[-1].zero_()
    assert torch.allclose(a.attention(x), torch.full((5, 3), 1 / 3))
    most = x[:, 2:14].view(5, 3, 4)[:, :, 0].amax(1).repeat_interleave(3)
    a.query.forward = lambda asked: 1e3 * (asked[:, 2] == most).float()[None, :, None]
    best = x[:, 2:14].view(5, 3, 4)[:, :, 0].argmax(1)
    rows = torch.arange(5)
    assert torch.allclose(a.extracted(x)[:, 2:6], x[:, 2:14].view(5, 3, 4)[rows, best])
    assert torch.allclose(a.extracted(x)[:, 6:], x[:, 14:].view(5, 3, 3)[rows, best])


def test_5_12_the_order_of_the_objects_does_not_matter():
    a, x = actor(), features()
    robot, objects, goals = LAYOUT.split(x)
    turned = [2, 0, 1]
    other = torch.cat([robot, objects[:, turned].flatten(1), goals[:, turned].flatten(1)], -1)
    assert torch.allclose(a(x), a(other), atol=1e-6) and a(x).shape == (1, 5, 2)
    assert torch.allclose(a.attention(x)[:, turned], a.attention(other), atol=1e-6)


def test_5_12_ddpg_learns_with_it_and_its_slow_copy_follows():
    small = {"query_hidden": (16, 16, 16), "actor_hidden": (16,) * 5, "hidden": (16, 16)}
    agent = AttentionDDPG(AttentionDDPGConfig(layout=LAYOUT, l2=0.0, bc_weight=1.0, target_rate=0.3, **small),
                          StateEncoder(LAYOUT.size), 2)
    x, action = features(32), torch.tanh(features(32, 1)[:, :2])
    batch = TransitionBatch(x, action, torch.zeros(32), features(32, 2), torch.zeros(32), demos=32)
    parts = (agent.actor.query, agent.actor.network, agent.critics.online)
    before = [copies(p.parameters()) for p in parts]
    slow = copies(agent.actor_target.parameters())
    agent.update(batch)
    assert all(moved(old, p.parameters()) for old, p in zip(before, parts, strict=True))
    pairs = zip(slow, agent.actor_target.parameters(), agent.actor.parameters(), strict=True)
    assert all(torch.allclose(new, 0.7 * old + 0.3 * fast, atol=1e-6) for old, new, fast in pairs)
    assert agent.act(x, True).abs().max() <= 1.0


def test_5_12_other_observations_are_refused():
    with pytest.raises(ValueError, match="have 5 numbers, the layout 23"):
        AttentionDDPG(AttentionDDPGConfig(layout=LAYOUT), StateEncoder(5), 2)
