"""Who trains the encoder of images: the critics' loss alone, and in cloning the actor's."""

import copy
from dataclasses import replace

import pytest
import torch

from priorrl_core.agents.iql import critic_loss
from priorrl_core.data.snippets import SnippetBatch
from priorrl_core.data.transitions import TransitionBatch
from priorrl_core.perception.small_encoder import SmallEncoderConfig
from priorrl_core.training.agent_factory import CLASSES, make_agent
from priorrl_core.training.learn_config import LearnConfig

SHAPE, ROWS, LENGTH = (3, 16, 20), 6, 3
QUICK = {"image": SmallEncoderConfig((4, 4, 4), 8)}
CLONING = {"ddpg": {"bc_weight": 1.0, "rl_weight": 1.0, "q_filter": False}, "sacfd": {"bc_weight": 1.0},
           "td3": {"bc_weight": 1.0}}
SNIPPETS = ("kl_bear", "mpo", "svg")


def make(agent: str, **table):
    config = LearnConfig("x", agent, **QUICK)
    return make_agent(replace(config, **{agent: replace(config.table, **table)}), SHAPE, 2, 0)


def images(*rows: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(sum(rows))
    return torch.randint(0, 256, (*rows, *SHAPE), generator=g).to(torch.uint8)


def batch(agent: str) -> TransitionBatch | SnippetBatch:
    g, rows = torch.Generator().manual_seed(0), (ROWS, LENGTH) if agent in SNIPPETS else (ROWS,)
    facts = (images(*rows), torch.rand(*rows, 2, generator=g) * 2.0 - 1.0, torch.randn(rows, generator=g),
             images(*rows).flip(-1), torch.zeros(rows))
    if agent in SNIPPETS:
        return SnippetBatch(*facts, torch.ones(rows), torch.zeros(ROWS, dtype=torch.int64))
    return TransitionBatch(*facts, demos=2)


def critics_loss(agent, rows) -> torch.Tensor:
    """The first that an update draws noise for is the critics' target."""
    if isinstance(rows, SnippetBatch):
        seen, following = (agent.encoder(x.flatten(0, 1)) for x in (rows.obs, rows.next_obs))
        task = rows.task.repeat_interleave(LENGTH)
        return agent._critic_loss(rows, seen, agent.value(following, task), task)
    if agent.kind == "iql":
        return agent.losses(rows)["critic_loss"]
    return critic_loss(agent.critics(agent.encoder(rows.obs), rows.action), agent.target(rows))


def encoder_gradient(agent, rows) -> list[torch.Tensor]:
    """Sum of what the steps of one update give the optimiser."""
    got, step = [torch.zeros_like(p) for p in agent.encoder.parameters()], agent.optimizer.step

    def watched(*args, **told):
        for total, p in zip(got, agent.encoder.parameters(), strict=True):
            total += 0.0 if p.grad is None else p.grad
        return step(*args, **told)

    agent.optimizer.step = watched
    for _ in range(1 if agent.kind != "td3" else 2):  # its actor moves at every second
        for total in got:
            total.zero_()
        before = copy.deepcopy(agent.state_dict()), agent.generator.get_state()
        agent.update(rows)
    agent.optimizer.step = step
    after = agent.state_dict()
    assert all(not torch.equal(before[0][f"encoder.{n}"], after[f"encoder.{n}"])
               for n, _ in agent.encoder.named_parameters())
    agent.load_state_dict(before[0])
    agent.generator.set_state(before[1])
    return got


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"bc"}))
def test_an_update_trains_all_of_the_encoder_by_the_critics_loss_alone(name):
    """No actor, value, prior or behaviour model pushes it, also where demonstrations are cloned beside."""
    agent, rows = make(name, **CLONING.get(name, {})), batch(name)
    got = encoder_gradient(agent, rows)
    agent.zero_grad(set_to_none=True)
    critics_loss(agent, rows).backward()
    for mine, p in zip(got, agent.encoder.parameters(), strict=True):
        assert torch.allclose(mine, p.grad, rtol=1e-4, atol=1e-6) and float(p.grad.abs().max()) > 1e-5


@pytest.mark.parametrize(("name", "table"),
                         [("bc", {}), ("bc", {"deterministic": True}), ("sacfd", {"clone_updates": 1})])
def test_cloning_trains_the_encoder_for_there_is_no_critic_that_does(name, table):
    """SACfD-pretrain cloned from features of an encoder that nothing had trained."""
    agent, rows = make(name, **table), batch(name)
    got = encoder_gradient(agent, rows)
    agent.zero_grad(set_to_none=True)
    loss = agent.cloning_loss(agent.encoder(rows.obs), rows.action) if name == "sacfd" else agent.loss(rows)
    loss.backward()
    assert all(torch.allclose(g, p.grad, rtol=1e-4, atol=1e-6) and bool(g.abs().max() > 0.0)
               for g, p in zip(got, agent.encoder.parameters(), strict=True))


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_image_as_a_batch_of_one_gets_an_action(name):
    action = make(name).act(images(1), True)
    assert action.shape == (1, 2) and float(action.abs().max()) <= 1.0
