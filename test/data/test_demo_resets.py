"""Row 5.9: starts inside demonstrations, with the goal that the demonstration reached, in training alone."""

import numpy as np
import pytest

from priorrl_core.data.demo_resets import DemoResets, DemoStates
from priorrl_core.errors import DataError


class Line:
    """A point on a line whose state can be restored."""

    def __init__(self):
        self.state, self.goal = np.array([-1.0]), np.array([-1.0])

    def start(self):
        self.state, self.goal = np.array([9.0]), np.array([8.0])
        return np.concatenate([self.state, self.goal])

    def restore(self, state, goal):
        self.state, self.goal = state.copy(), goal.copy()
        return np.concatenate([state, goal])


DEMOS = [DemoStates(np.array([[0.0], [1.0], [2.0]]), np.array([2.5])), DemoStates(np.array([[5.0]]), np.array([5.5]))]


def test_5_09_the_simulation_is_in_the_stored_state_with_the_demonstrations_final_goal():
    env, resets, seen = Line(), DemoResets(DEMOS, share=1.0), []
    for _ in range(600):
        obs = resets.start(env)
        assert obs.tolist() == [*env.state, *env.goal]
        seen.append((float(env.state[0]), float(env.goal[0])))
    assert set(seen) == {(0.0, 2.5), (1.0, 2.5), (2.0, 2.5), (5.0, 5.5)}
    assert seen.count((5.0, 5.5)) == pytest.approx(300, abs=60)  # demonstrations alike, then their states alike
    assert seen.count((1.0, 2.5)) == pytest.approx(100, abs=40)


def test_5_09_a_share_of_training_episodes_and_none_of_evaluation():
    env, resets = Line(), DemoResets(DEMOS, share=0.3, seed=1)
    ordinary = [resets.start(env).tolist() == [9.0, 8.0] for _ in range(1000)]
    assert sum(ordinary) == pytest.approx(700, abs=50)
    assert all(resets.start(env, training=False).tolist() == [9.0, 8.0] for _ in range(50))


def test_5_09_same_seed_same_starts():
    one, two = (DemoResets(DEMOS, 0.5, seed=4) for _ in range(2))
    assert all(one.start(Line()).tolist() == two.start(Line()).tolist() for _ in range(50))


def test_resets_without_demonstrations_are_refused():
    with pytest.raises(DataError, match="record some"):
        DemoResets([], 0.5)
    assert DemoResets([], 0.0).start(Line()).tolist() == [9.0, 8.0]
