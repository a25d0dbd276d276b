"""Row 6.16: the three robots of chapter 6 as configurations, over a driver that is a simulation of a drawer."""

import numpy as np
import pytest

from priorrl_core.control.pid import JointPID, PIDGains
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.tasks.real_task import RealEnv, list_real_tasks, load_real_task
from priorrl_core.training.cloned_data import RECIPES


class Drawer:
    """A drawer whose motor turns 10 rad for a millimetre of the hook's way along x; it writes down what is asked."""

    def __init__(self):
        self.log, self.tip, self.age_s, self.broken = [], np.zeros(3), 0.0, False

    def state(self):
        motor = np.nan if self.broken else 1e4 * self.tip[0]
        return np.append(self.tip, motor), self.age_s

    def command(self, command):
        self.log.append(("command", command))
        self.tip = self.tip + 0.1 * command

    def stop(self):
        self.log.append(("stop", None))

    def reset(self):
        self.log.append(("reset", None))
        self.tip = np.array([0.001, 0.0, 0.0])

    def commands(self):
        return np.array([c for what, c in self.log if what == "command"])


def drawer():
    driver = Drawer()
    return RealEnv(load_real_task("drawer"), driver), driver


@pytest.mark.parametrize(("name", "state", "action", "prior"), [
    ("claw", 22, 9, (10, 200)), ("drawer", 4, 3, (10, 500)), ("hand", 25, 19, (19, 50))])
def test_6_16_sizes_and_prior_data_of_the_thesis(name, state, action, prior):
    task = load_real_task(name)
    assert (task.state_size, task.action_size, (task.demos, task.clone_trajectories)) == (state, action, prior)
    assert (RECIPES[name].demos, RECIPES[name].trajectories) == prior
    assert set(list_real_tasks()) == {"claw", "drawer", "hand"}
    with pytest.raises(ConfigError, match="did you mean 'drawer'"):
        load_real_task("drawr")


def test_6_16_the_rig_is_reset_before_every_episode_and_before_any_command():
    env, driver = drawer()
    for _ in range(3):
        env.reset()
        done = False
        while not done:
            _, _, ended, cut, _ = env.step(np.zeros(3))
            done = ended or cut
    what = [name for name, _ in driver.log]
    horizon = env.task.horizon
    assert what == (["stop", "reset"] + ["command"] * horizon) * 3


def test_6_16_commands_stay_within_limits_and_change_slowly():
    env, driver = drawer()
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        env.step(rng.uniform(-9.0, 9.0, 3))
    sent = driver.commands()
    assert np.abs(sent).max() <= 0.1 and np.abs(np.diff(sent, axis=0)).max() <= 0.05 + 1e-12
    for bad in (np.array([0.0, np.nan, 0.0]), np.zeros(2)):
        with pytest.raises(DataError, match="3 finite numbers"):
            env.step(bad)
        assert driver.log[-1][0] == "stop"
    assert len(driver.commands()) == 60


@pytest.mark.parametrize(("spoil", "says"), [({"age_s": 0.6}, "0.60 s old"), ({"broken": True}, "not finite")])
def test_6_16_the_watchdog_stops_the_robot_and_ends_the_episode(spoil, says):
    env, driver = drawer()
    env.reset()
    env.step(np.zeros(3))
    for name, value in spoil.items():
        setattr(driver, name, value)
    sent = len(driver.commands())
    obs, _, terminated, _, info = env.step(np.full(3, 0.1))
    assert terminated and says in info["fault"] and info["executed"] is None and np.isfinite(obs).all()
    assert driver.log[-1][0] == "stop" and len(driver.commands()) == sent
    with pytest.raises(DataError, match="no episode begins"):
        env.reset()


def test_6_16_the_drawers_reward_is_measured_from_where_it_was_reset():
    env, _ = drawer()
    env.reset()
    rewards = [env.step(np.array([v, 0.0, 0.0]))[1] for v in (0.005, 0.008, 0.003)]
    assert rewards == [-1.0, -1.0, 0.0]  # 5, 13 and 16 rad


def test_6_16_claw_and_hand_rewards_read_their_parts_of_the_state():
    claw, hand = (RealEnv(load_real_task(name), Drawer(), goal) for name, goal in (("claw", np.pi), ("hand", 0.0)))
    state = np.zeros(22)
    assert claw._reward(state) == -1.0
    state[20] = -np.pi + 0.1
    assert claw._reward(state) == 0.0
    state = np.zeros(25)
    state[16:19], state[19:22], state[22:] = (0.0, 0.0, 0.0), (0.3, 0.4, 0.0), (0.3, 0.4, 0.2)
    assert hand._reward(state) == pytest.approx(-0.5 - 0.6)


def test_6_16_pid_by_hand():
    pid = JointPID(1, PIDGains(p=2.0, i=1.0, d=0.5, integral_limit=0.15, output_limit=3.0), 0.1)
    one, zero = np.ones(1), np.zeros(1)
    assert float(pid.output(one, zero, 0.2 * one)[0]) == pytest.approx(2.0 + 0.1 - 0.1)
    assert float(pid.output(one, zero, zero)[0]) == pytest.approx(2.0 + 0.15)  # the integral is held
    assert float(pid.output(9.0 * one, zero, zero)[0]) == 3.0
    pid.reset()
    assert float(pid.output(zero, zero, zero)[0]) == 0.0


def test_6_16_pid_brings_a_joint_to_its_target_against_a_load():
    pid, q, dq = JointPID(1, PIDGains(p=20.0, i=20.0, d=4.0, integral_limit=1.0, output_limit=30.0), 0.01), 0.0, 0.0
    for _ in range(1500):
        torque = float(pid.output(np.array([0.7]), np.array([q]), np.array([dq]))[0]) - 0.5
        dq += 0.01 * torque
        q += 0.01 * dq
    assert q == pytest.approx(0.7, abs=0.01)
