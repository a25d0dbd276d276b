"""Residual RL as a wrapper (thesis Algorithm 6), on a stub environment whose tip goes where it is told."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from priorrl_core.control.base_controllers import FrozenPolicyBase, ProportionalBase, RobotState, ZeroBase
from priorrl_core.control.control_noise import ControlNoise
from priorrl_core.data.transitions import Transition, TransitionReplay
from priorrl_core.tasks.residual import ResidualEnv

LIMIT = np.array([0.002, 0.002, 0.003])
GOAL = np.array([0.55, 0.16, 0.02])


class Stub(gym.Env):
    """Ideal tracking, an object pose in the observation, three steps an episode."""

    def __init__(self) -> None:
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
        self.tip, self.object, self.sent, self.steps = GOAL + 0.01, np.zeros(3), [], 0

    @property
    def commanded_goal_m(self) -> np.ndarray:
        return GOAL

    def robot_state(self) -> RobotState:
        return RobotState(self.tip, np.zeros(3), np.zeros(3), self.steps)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        self.tip, self.steps = GOAL + np.random.default_rng(seed).uniform(-0.02, 0.02, 3), 0
        return self.observe(), {}

    def observe(self) -> np.ndarray:
        return np.concatenate([self.tip - GOAL, self.object]).astype(np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.sent.append(np.array(action))
        self.tip, self.steps = self.tip + action, self.steps + 1
        return self.observe(), -1.0, False, self.steps >= 3, {"executed_m": np.array(action)}


def made(base=None, **options) -> tuple[ResidualEnv, Stub]:
    stub = Stub()
    return ResidualEnv(stub, base or ProportionalBase(), LIMIT, **options), stub


def test_8_01_executed_is_base_plus_residual_exactly_and_each_is_logged():
    env, stub = made()
    rng = np.random.default_rng(1)
    for k in range(100):
        env.reset(seed=k)
        state, action = stub.robot_state(), rng.uniform(-1.0, 1.0, 3)
        info = env.step(action)[-1]
        wanted = ProportionalBase()(state, GOAL)
        assert info["base_m"].tolist() == wanted.tolist()
        assert info["residual_m"].tolist() == (action * LIMIT).tolist()
        assert stub.sent[-1].tolist() == (wanted + action * LIMIT).tolist() == info["command_m"].tolist()


def test_8_02_an_object_moves_the_observation_and_not_the_base():
    env, stub = made()
    before, _ = env.reset(seed=0)
    base = env.step(np.zeros(3))[-1]["base_m"]
    after, _ = env.reset(seed=0)
    stub.object[:] = [0.0, 0.01, 0.3]
    seen, *_, info = env.step(np.zeros(3))
    assert info["base_m"].tolist() == base.tolist()
    assert seen[3:].tolist() != after[3:].tolist()


def test_8_03_the_replay_holds_actor_plus_exploration_and_neither_base_nor_control_noise():
    env, stub = made(noise=ControlNoise(0.1, 0.05, 0.02), seed=4)
    replay, rng = TransitionReplay(60, (6,), 3), np.random.default_rng(5)
    explored, commands, parts = [], [], []
    for k in range(20):
        obs, _ = env.reset(seed=k)
        for _ in range(3):
            actor, exploration = np.array([0.2, -0.1, 0.3]), rng.normal(0.0, 0.1, 3)
            following, reward, terminated, truncated, info = env.step(actor + exploration)
            replay.add(Transition(obs, info["policy_action"], info["base_m"], info["executed_m"], reward, following,
                                  terminated, truncated))
            obs = following
            explored.append(actor + exploration)
            commands.append(stub.sent[-1])
            parts.append(info["base_m"] + info["noise_m"])
    assert replay.columns["action"].numpy() == pytest.approx(np.array(explored), abs=1e-6)
    assert np.array(commands) - np.array(explored) * LIMIT == pytest.approx(np.array(parts), abs=1e-12)
    assert np.abs(np.array(parts) - replay.columns["base"].numpy()).min() > 0.0, "noise was really on"


def test_8_04_a_time_out_is_stored_with_its_reward_and_not_as_terminal():
    env, _ = made()
    replay = TransitionReplay(3, (6,), 3)
    obs, _ = env.reset(seed=0)
    for _ in range(3):
        following, reward, terminated, truncated, info = env.step(np.zeros(3))
        replay.add(Transition(obs, info["policy_action"], info["base_m"], info["executed_m"], reward, following,
                              terminated, truncated))
        obs = following
    assert replay.columns["terminated"].tolist() == [False] * 3
    assert replay.columns["truncated"].tolist() == [False, False, True]
    assert replay.columns["reward"].tolist() == [-1.0] * 3


def test_8_08_zero_base_leaves_the_policy_alone():
    env, stub = made(ZeroBase())
    env.reset(seed=0)
    env.step(np.array([1.0, -0.5, 0.25]))
    assert stub.sent[-1].tolist() == (np.array([1.0, -0.5, 0.25]) * LIMIT).tolist()


def test_8_18_the_base_alone_gets_the_same_noise_and_the_sent_command_shows_its_mean():
    noises = []
    for base in (ProportionalBase(), ZeroBase()):
        env, stub = made(base, noise=ControlNoise(0.2, 0.05, 0.02), seed=9)
        got = []
        for k in range(300):
            env.reset(seed=k)
            for _ in range(3):
                info = env.step(np.zeros(3))[-1]
                got.append(stub.sent[-1] - info["sum_m"])
        noises.append(np.array(got))
    assert noises[0] == pytest.approx(noises[1], abs=1e-15), "a method must not change the disturbance"
    assert noises[0].mean(0) / 0.02 == pytest.approx([0.2] * 3, abs=3.5 * 0.05 / 30.0)


def test_at_blend_0_the_command_is_the_bases_bit_for_bit():
    env, stub = made(blend=0.0)
    env.reset(seed=3)
    state = stub.robot_state()
    env.step(np.array([1.0, 1.0, 1.0]))
    assert stub.sent[-1].tobytes() == ProportionalBase()(state, GOAL).tobytes()


def test_frozen_policy_as_base_answers_the_last_observation():
    base = FrozenPolicyBase(lambda seen: np.tanh(seen[:3] * 10.0), LIMIT)
    env, stub = made(base)
    first, _ = env.reset(seed=2)
    second = env.step(np.zeros(3))[0]
    env.step(np.zeros(3))
    wanted = [np.tanh(seen[:3] * 10.0) * LIMIT for seen in (first, second)]
    assert np.array(stub.sent) == pytest.approx(np.array(wanted))


def test_action_for_is_the_inverse_of_the_composition():
    env, stub = made(blend=0.5)
    env.reset(seed=1)
    wanted = ProportionalBase()(stub.robot_state(), GOAL) + [0.0005, -0.0002, 0.001]
    env.step(env.action_for(wanted))
    assert stub.sent[-1] == pytest.approx(wanted, abs=1e-9)


def test_a_nan_action_reaches_the_environments_safety_filter():
    env, stub = made()
    env.reset(seed=1)
    env.step(np.array([np.nan, 0.0, 0.0]))
    assert np.isnan(stub.sent[-1][0])


@pytest.mark.parametrize("blend", [-0.1, 1.5])
def test_wrong_blend_is_refused_at_once(blend):
    with pytest.raises(ValueError, match="blend"):
        made(blend=blend)
