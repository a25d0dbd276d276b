"""Names, seeds and policy versions of episodes: the same as without ROS (row S.11), so that both agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KINDS = {"practice": 0, "eval": 1}


@dataclass(frozen=True)
class Series:
    """Episodes of one goal of the action; its episodes are told from others by their id alone."""

    kind: str
    policy: str
    scenario: str
    seed: int

    def episode_id(self, index: int) -> str:
        return f"{self.kind}-{self.policy}-{self.scenario}-s{self.seed}-{index:04d}"

    def episode_seed(self, index: int) -> int:
        """As ``training.rollout.episode_seed`` (that module needs torch; a test holds the two together)."""
        return int(np.random.SeedSequence([self.seed, KINDS[self.kind], index]).generate_state(1)[0])

    def mode(self) -> str:
        """The controller's mode."""
        return {"base": "base", "offline": "policy", "online": "policy"}.get(self.policy, "search")


def exploration_seed(episode_seed: int) -> int:
    """Seed of the exploration of an episode, what the controller is told."""
    return episode_seed + 1


def episode_seed_of(exploration_seed: int) -> int:
    """The episode's own seed: what its environment draws from."""
    return max(exploration_seed - 1, 0)


def version_for(series: Series, practised: int, lag: int) -> int:
    """Policy version of the next episode when ``practised`` practice episodes are closed: practice runs
    ``lag`` behind, so that trainer and arm work at the same time; an evaluation waits for all of them."""
    return max(0, practised - lag) if series.kind == "practice" else practised
