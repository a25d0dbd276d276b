"""Updates on another device, without a GPU: on torch's meta device, which refuses to mix devices or to wait for a
value.
"""

import pytest
import torch
from cuda_stand_in import StandIn
from small_agents import awac, batch, bc, bcq, bear, copies, ddpg, iql, kl_bear, mpo, sac, sacfd, snippets, svg, td3

from priorrl_core.agents.cuda_graphs import WARM, GraphedUpdates
from priorrl_core.agents.device import move, named_device, on_device, use_device
from priorrl_core.agents.noise import candidate_noise, normal, permutation, uniform
from priorrl_core.agents.prior_agent import Steps
from priorrl_core.agents.speed import SpeedConfig, speed_up
from priorrl_core.errors import ConfigError

META, CPU = torch.device("meta"), torch.device("cpu")
AGENTS = {
    "bc": bc, "bc_deterministic": lambda: bc(deterministic=True), "awac": awac, "iql": iql, "bcq": bcq, "bear": bear,
    "awac_state": lambda: awac(normalise="state"), "td3": lambda: td3(policy_delay=1),
    "td3_demos": lambda: td3(policy_delay=1, bc_weight=1.0, q_filter=True), "sac": sac,
    "sac_images": lambda: sac(images=True), "ddpg": lambda: ddpg(bc_weight=0.0), "ddpg_demos": ddpg,
    "rlpd": lambda: sac(critics=4, target_critics=2, layer_norm=True, actor_q="mean", backup_entropy=False),
    "sacfd": lambda: sacfd(bc_weight=1.0, q_filter=True), "sacfd_clone": lambda: sacfd(clone_updates=20),
}  # fmt: skip
SNIPPETS = {"mpo": mpo, "svg": svg, "kl_bear": kl_bear}


def example(name):
    return batch(8, demos=3 if name in ("td3_demos", "ddpg_demos", "sacfd") else 0, images=name == "sac_images")


def on_meta(agent):
    """The fused Adam of a GPU has no meta kernel; torch's plain one stands in."""
    move(agent, META)
    for group in agent.optimizer.param_groups:
        group["fused"], group["foreach"], group["capturable"] = False, False, False
    return agent


@pytest.mark.parametrize("name", AGENTS)
def test_an_update_keeps_to_its_device_and_waits_for_no_value(name):
    agent = on_meta(AGENTS[name]())
    for _ in range(2):
        metrics = agent.update(on_device(example(name), META))
    assert {m.device for m in metrics.values()} == {META}
    assert {p.device for group in agent.optimizer.param_groups for p in group["params"]} == {META}
    assert agent.updates == 2


@pytest.mark.parametrize("name", SNIPPETS)
def test_agents_of_snippets_keep_to_their_device(name):
    """Their update picks the valid steps, which meta tensors do not know: so its parts, with all of them valid."""
    agent = on_meta(SNIPPETS[name](prior="bm", tasks=2))
    rows = on_device(snippets(tasks=2), META)
    features, task = rows.obs.flatten(0, 1), rows.task.repeat_interleave(3)
    value = agent.value(features, task)
    prior, _ = agent._prior_loss(rows, features, task, value.unflatten(0, (6, 3))[:, -1])
    improvement, metrics = agent.improvement(Steps(features, rows.action.flatten(0, 1), task))
    agent._descend(agent._critic_loss(rows, features, value, task) + prior + improvement)
    assert {m.device for m in metrics.values()} == {META}


@pytest.mark.parametrize("name", [*AGENTS, *SNIPPETS])
def test_acting_keeps_to_its_device_and_explores_with_draws_of_the_cpu(name):
    agent = on_meta({**AGENTS, **SNIPPETS}[name]())
    obs = example(name).obs[:1].to(META)
    for deterministic in (False,) if name in ("bcq", "bear", "kl_bear") else (True, False):  # these read what is seen
        action = agent.act(obs, deterministic, torch.Generator().manual_seed(1))
        assert (action.device, action.shape) == (META, (1, 2))


@pytest.mark.parametrize("name", SNIPPETS)
def test_agents_of_snippets_say_that_the_batch_decides_what_is_computed(name):
    assert SNIPPETS[name]().turn() is None
    with pytest.raises(ConfigError, match="--cuda-graphs"):
        GraphedUpdates([SNIPPETS[name]()])


def test_a_decaying_rate_is_no_graph():
    assert iql(actor_decay_updates=10).turn() is None


def test_bears_least_critic_off_the_cpu_has_the_same_value_and_gradient():
    agent, features = bear(), torch.randn(6, 2, generator=torch.Generator().manual_seed(3))
    found = []
    for least in (agent.critics.least_of_action, lambda f, a: agent.critics.of_action(f, a, 2).amin(0)):
        action = torch.linspace(-1, 1, 12).view(6, 2).requires_grad_()
        value = least(features, action)
        value.sum().backward()
        found.append(torch.cat([value.detach()[:, None], action.grad], -1))
    assert torch.allclose(*found, atol=1e-6)


def test_noise_of_a_generator_is_the_same_for_any_device():
    first, second = (torch.Generator().manual_seed(5) for _ in range(2))
    assert torch.equal(normal((3, 2), first, CPU), torch.randn(3, 2, generator=second))
    assert torch.equal(uniform((4,), first, CPU), torch.rand(4, generator=second))
    assert torch.equal(permutation(6, first, CPU), torch.randperm(6, generator=second))
    assert normal((2,), first, META).device == META


def test_candidates_without_a_generator_are_each_observations_own():
    """One draw for all observations was wrong by the same way at every step of an episode."""
    obs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    noise = candidate_noise(500, 2, obs, None, CPU)
    assert noise.shape == (500, 4, 2) and abs(float(noise.mean())) < 0.05 and abs(float(noise.std()) - 1.0) < 0.05
    assert torch.equal(candidate_noise(500, 2, obs[[2, 0]], None, CPU), noise[:, [2, 0]])
    assert not torch.equal(noise[:, 0], noise[:, 1])
    pictures = (255 * torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))).to(torch.uint8)
    assert candidate_noise(5, 2, pictures, None, CPU).shape == (5, 2, 2)
    drawn = candidate_noise(5, 2, obs, torch.Generator().manual_seed(2), CPU)
    assert torch.equal(drawn, torch.randn(5, 4, 2, generator=torch.Generator().manual_seed(2)))


@pytest.mark.parametrize("make", [bcq, bear, kl_bear])
def test_a_judged_agent_does_the_same_in_the_same_place_whoever_is_beside_it(make):
    agent, obs = make(), torch.randn(5, 2, generator=torch.Generator().manual_seed(4))
    all_of_them = agent.act(obs, True)
    assert torch.allclose(agent.act(obs[3:4], True), all_of_them[3:4], atol=1e-6)
    assert torch.equal(agent.act(obs, True), all_of_them)
    assert not torch.equal(agent.act(obs, False, torch.Generator().manual_seed(1)), all_of_them)


def test_a_batch_on_its_device_is_not_copied_and_keeps_its_demonstrations():
    rows = batch(8, demos=3)
    assert on_device(rows, CPU) is rows
    there = on_device(rows, META)
    assert there.demos == 3
    assert {t.device for t in (there.obs, there.action, there.reward, there.next_obs, there.terminated)} == {META}
    assert on_device(snippets(), META).valid.device == META


def test_on_a_cpu_nothing_is_touched():
    agent = sac()
    parameters, generator = list(agent.parameters()), agent.generator
    assert use_device(agent, CPU) is agent
    assert all(a is b for a, b in zip(agent.parameters(), parameters, strict=True))
    assert agent.generator is generator


@pytest.mark.parametrize(("name", "words"), [
    ("gpu", "choose cpu, cuda or cuda:1"), ("cuda:x", "no device 'cuda:x'"), ("cpu:1", "no device 'cpu:1'"),
    ("cuda:99", "sees [0-9]+ CUDA devices")])  # fmt: skip
def test_a_device_that_is_not_there_is_refused_in_one_sentence(name, words):
    with pytest.raises(ConfigError, match=words):
        named_device(name)


@pytest.mark.parametrize(("setting", "words"), [
    ({"cuda_graphs": True}, "--device cuda"), ({"device": "cuda", "compile": True}, "--compile is for the CPU")])
def test_settings_that_do_not_go_together_are_refused(setting, words):
    with pytest.raises(ConfigError, match=words):
        SpeedConfig(**setting)


def test_a_run_of_before_there_were_devices_can_be_resumed():
    assert SpeedConfig(bf16=True).settings() == {"bf16": True, "compile": False}
    assert SpeedConfig(device="cuda:1").settings()["device"] == "cuda"


# ---- graphs, with a stand-in for CUDA's --------------------------------------------------------------

GRAPHED = {name: make for name, make in AGENTS.items() if name != "bc_deterministic"}
TWO_TURNS = {"td3_delayed": td3, "bear_warm": lambda: bear(warm_updates=6), "sac_seldom": lambda: sac(actor_every=3),
             "ddpg_filter": lambda: ddpg(filter_from=6), "sacfd_both": lambda: sacfd(clone_updates=6)}
DEMOS = ("td3_demos", "ddpg_demos", "ddpg_filter", "sacfd")


@pytest.mark.parametrize("name", [*GRAPHED, *TWO_TURNS])
def test_graphs_learn_what_plain_updates_learn(name):
    make = {**GRAPHED, **TWO_TURNS}[name]
    plain, graphed = make(), make()
    stand_in = StandIn([graphed])
    updates = GraphedUpdates([graphed], stand_in)
    for seed in range(14):
        rows = batch(8, seed, 3 if name in DEMOS else 0, images=name == "sac_images")
        told = copies(plain.update(rows).values())
        assert all(torch.equal(a, b) for a, b in zip(told, updates.update([rows])[0].values(), strict=True))
    assert plain.updates == graphed.updates == 14
    for one, other in zip(plain.parameters(), graphed.parameters(), strict=True):
        assert torch.equal(one, other)
    assert stand_in.captured == (2 if name in TWO_TURNS else 1)
    assert stand_in.replayed == 14 - WARM * stand_in.captured


def test_seeds_side_by_side_learn_what_each_learns_alone():
    alone, together = ([td3(seed) for seed in range(3)] for _ in range(2))
    stand_in = StandIn(together)
    updates = GraphedUpdates(together, stand_in)
    for step in range(10):
        rows = [batch(8, 10 * step + seed) for seed in range(3)]
        told = [copies(agent.update(mine).values()) for agent, mine in zip(alone, rows, strict=True)]
        for mine, found in zip(told, updates.update(rows), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(mine, found.values(), strict=True))
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert stand_in.captured == 2


def test_another_shape_or_number_of_demonstrations_has_a_graph_of_its_own():
    agent = td3(policy_delay=1, bc_weight=1.0)
    stand_in = StandIn([agent])
    updates = GraphedUpdates([agent], stand_in)
    for rows, demos in ((8, 0), (8, 3), (6, 3)):
        for seed in range(WARM + 1):
            updates.update([batch(rows, seed, demos)])
    assert stand_in.captured == 3


def test_a_graph_reads_its_own_inputs_and_leaves_the_batch_alone():
    agent, rows = bc(), batch(8)
    updates = GraphedUpdates([agent], StandIn([agent]))
    before = copies([rows.obs, rows.action])
    for seed in range(WARM + 2):
        updates.update([rows if seed == WARM else batch(8, seed + 1)])
    assert all(torch.equal(a, b) for a, b in zip(before, [rows.obs, rows.action], strict=True))


def test_speed_up_leaves_an_agent_on_the_cpu_unless_told():
    assert next(speed_up(sac(), SpeedConfig()).parameters()).device == CPU
