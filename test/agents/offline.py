"""A fixed data set of the reaching task: a few good episodes among many in which the point is pushed about."""

from __future__ import annotations

import numpy as np
from reach import HORIZON, STEP, expert_action, move

from priorrl_core.data.transitions import Transition, TransitionReplay


def mixed_episodes(episodes: int = 100, good: float = 0.3, seed: int = 7) -> TransitionReplay:
    """Whole episodes, cut off by time; a share ``good`` goes to the middle, the others act at random.

    The good ones' actions have noise of 0.2; cloning's mean is therefore about 0.3 of the expert's action.
    """
    rng, replay = np.random.default_rng(seed), TransitionReplay(episodes * HORIZON, (2,), 2)
    for episode in range(episodes):
        point = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        for age in range(1, HORIZON + 1):
            action = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
            if episode < good * episodes:
                action = np.clip(expert_action(point) + 0.2 * action, -1.0, 1.0).astype(np.float32)
            following = move(point, action)
            replay.add(Transition(point, action, np.zeros(2), STEP * action, -float(np.linalg.norm(following)),
                                  following, terminated=False, truncated=age == HORIZON))
            point = following
    return replay
