"""The learner of Algorithm 6 and its loop (rows 8.03 to 8.09, 9.30, 4.2), on a point that must reach its goal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from reach_env import make_reach

from priorrl_core.agents.sac import SACConfig
from priorrl_core.agents.td3 import TD3Config
from priorrl_core.control.base_controllers import ZeroBase
from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.training.residual_learner import ResidualLearner, ResidualMethod, load_residual_method
from priorrl_core.training.runtime import configure_torch
from priorrl_core.training.step_loop import evaluate, no_residual, practise

SMALL = {"hidden": (32, 32), "discount": 0.9, "target_rate": 0.02}
METHODS = {
    "td3": ResidualMethod("small", "td3", td3=TD3Config(**SMALL, exploration_std=0.3), batch_size=64, warmup_steps=60),
    "sac": ResidualMethod("small", "sac", sac=SACConfig(**SMALL, alpha_init=0.1), batch_size=64, warmup_steps=60),
}
GOLDEN = {"td3": (-7.7114, -1.4367), "sac": (-7.7112, -1.5281)}


@pytest.fixture(autouse=True)
def one_thread():
    configure_torch()


def learner(kind: str = "td3", seed: int = 0, **changes) -> ResidualLearner:
    return ResidualLearner(dataclasses.replace(METHODS[kind], **changes), (3,), seed=seed)


def weights(agent) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in agent.parameters()])


@pytest.mark.parametrize("kind", ["td3", "sac"])
def test_8_09_both_learners_improve_the_same_env_and_their_curve_is_golden(kind):
    env, made = make_reach(), learner(kind)
    before = float(np.mean(evaluate(env, lambda o: made.act(o, False), 20, 5).returns))
    practise(env, made, 700, seed=0)
    after = float(np.mean(evaluate(env, lambda o: made.act(o, False), 20, 5).returns))
    alone = float(np.mean(evaluate(env, no_residual, 20, 5).returns))
    assert before == pytest.approx(alone, abs=0.3)  # row 8.11: the residual begins near zero
    assert after > alone + 3.0
    assert (before, after) == pytest.approx(GOLDEN[kind], abs=0.05)


def test_8_06_one_update_a_step_after_the_warm_up():
    made = learner(warmup_steps=60)
    log = practise(make_reach(), made, 200, seed=0)
    assert made.replay.added == log.episodes.end_step[-1] == 200
    assert made.agent.updates == log.updates == 200 - 60 + 1


def test_8_03_the_replay_holds_the_policys_action_and_what_was_sent():
    env, made = make_reach(noise=0.02), learner()
    practise(env, made, 100, seed=0)
    rows = {k: v[:100].numpy() for k, v in made.replay.columns.items()}
    sent = rows["base"] + rows["action"] * env.limit_m
    assert np.abs(rows["action"]).max() <= 1.0
    gap = rows["executed"] - sent
    assert 0.0 < np.abs(gap).mean() < 0.05  # the control noise, in no stored action


def test_8_04_a_time_out_is_stored_as_truncated_and_not_as_terminated():
    made = learner()
    practise(make_reach(), made, 50, seed=0)
    assert made.replay.columns["truncated"][:50].sum() == 5
    assert not made.replay.columns["terminated"].any()


def test_8_07_evaluation_draws_no_random_number_and_repeats_itself():
    made, env = learner("sac"), make_reach()
    state = made.explorer.get_state()
    first = evaluate(env, lambda o: made.act(o, False), 3, 9)
    assert torch.equal(state, made.explorer.get_state())
    assert evaluate(env, lambda o: made.act(o, False), 3, 9).returns == first.returns


def test_8_08_only_rl_is_the_same_code_with_a_base_of_zero():
    residual, alone = learner(), learner()
    practise(make_reach(), residual, 80, seed=0)
    practise(make_reach(base=ZeroBase()), alone, 80, seed=0)
    assert residual.settings == alone.settings
    assert float(alone.replay.columns["base"].abs().max()) == 0.0 < float(residual.replay.columns["base"].abs().max())


@pytest.mark.parametrize("kind", ["td3", "sac"])
def test_a_resumed_learner_equals_the_uninterrupted_one_bit_for_bit(kind, tmp_path):
    straight, broken = learner(kind), learner(kind)
    for made in (straight, broken):
        practise(make_reach(), made, 100, seed=0)
    broken.save(tmp_path)
    resumed = learner(kind)
    resumed.restore(tmp_path)
    for made in (straight, resumed):
        practise(make_reach(), made, 60, seed=1)
    assert torch.equal(weights(straight.agent), weights(resumed.agent))
    obs = np.zeros(3, np.float32)
    assert np.array_equal(straight.act(obs, True), resumed.act(obs, True))


def test_same_seed_same_learner_and_another_seed_another():
    made = [learner(seed=s) for s in (0, 0, 1)]
    for one in made:
        practise(make_reach(), one, 90, seed=0)
    first, second, third = (weights(one.agent) for one in made)
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_the_frozen_head_computes_what_the_actor_computes():
    for kind in ("td3", "sac"):
        made = learner(kind)
        practise(make_reach(), made, 90, seed=0)
        head = tmp_head(made)
        for _ in range(5):
            obs = np.random.default_rng(_).normal(size=3).astype(np.float32)
            assert head(obs) == pytest.approx(made.act(obs, False), abs=1e-5)


def tmp_head(made: ResidualLearner) -> FrozenMLP:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "head.safetensors"
        file.write_bytes(made.policy_head())
        return FrozenMLP.from_file(file)


def test_a_state_of_another_method_is_refused_by_name(tmp_path):
    made = learner()
    practise(make_reach(), made, 20, seed=0)
    made.save(tmp_path)
    with pytest.raises(DataError, match="another method, observation or seed"):
        learner(batch_size=32).restore(tmp_path)


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'residual_td3'"):
        load_residual_method("residual_td")
    for name in ("td3", "sac", "lfd"):
        assert load_residual_method(name).name == f"residual_{name}"
