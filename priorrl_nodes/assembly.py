"""Puts one episode together from the messages of its steps, joined by the stamp of the observation."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image

from priorrl.msg import CartesianCommand, Episode, EpisodeTruth, Latent, ResidualCommand, Reward, RobotState
from priorrl_nodes.messages import floats, force_of, octets, stamp_of, time_ns, tip_of


class EpisodeAssembly:
    """Collects what the graph says during one rollout. ``end_ns`` is the stamp of the last observation."""

    def __init__(self, episode_id: str, goal_m: np.ndarray) -> None:
        self.episode_id, self.goal_m = episode_id, np.asarray(goal_m)
        self.commands: dict[int, ResidualCommand] = {}
        self.executed: dict[int, CartesianCommand] = {}
        self.images: dict[int, Image] = {}
        self.states: dict[int, RobotState] = {}
        self.rewards: dict[int, Reward] = {}
        self.truths: dict[int, EpisodeTruth] = {}
        self.latents: dict[int, Latent] = {}

    # ---- what comes in ---------------------------------------------------------------------------
    def on_command(self, message: ResidualCommand) -> None:
        if message.episode_id == self.episode_id:
            self.commands[time_ns(message.header.stamp)] = message

    def on_safe(self, message: CartesianCommand) -> None:
        if message.source != "reset":
            self.executed[time_ns(message.header.stamp)] = message

    def on_image(self, message: Image) -> None:
        self.images[time_ns(message.header.stamp)] = message

    def on_state(self, message: RobotState) -> None:
        self.states[time_ns(message.header.stamp)] = message

    def on_reward(self, message: Reward) -> None:
        self.rewards[time_ns(message.header.stamp)] = message

    def on_latent(self, message: Latent) -> None:
        self.latents[time_ns(message.header.stamp)] = message

    def on_truth(self, message: EpisodeTruth) -> None:
        self.truths[time_ns(message.header.stamp)] = message

    # ---- what is known ---------------------------------------------------------------------------
    def stamps(self, end_ns: int) -> list[int]:
        """Stamps of the T+1 observations. A command that the gate refused is no step."""
        done = sorted(s for s in self.commands if s in self.executed and s < end_ns)
        return [*done, end_ns]

    def newest_ns(self) -> int:
        return max(self.states, default=0)

    def missing(self, end_ns: int, judged: bool) -> str:
        """What has not come yet, in words; empty when the episode is whole."""
        stamps = self.stamps(end_ns)
        wanted: list[tuple[str, dict, list[int]]] = [
            ("image", self.images, stamps),
            ("robot_state", self.states, stamps),
            ("safe_command", self.executed, [s for s in self.commands if s < end_ns]),
        ]
        if self._by_policy():
            wanted.append(("latent", self.latents, [end_ns]))
        if judged:
            wanted.append(("reward", self.rewards, stamps[1:]))
        for name, have, need in wanted:
            gone = [s for s in need if s not in have]
            if gone:
                return f"{name} of {len(gone)} of {len(need)} steps"
        return ""

    def success(self, end_ns: int) -> tuple[bool, float, str]:
        """Judgement of the last image: done, probability, and who says so."""
        last = self.rewards.get(end_ns)
        if last is None:
            return False, 0.0, "nobody"
        return bool(last.reward > 0.5), float(last.probability), last.source

    # ---- what goes out ---------------------------------------------------------------------------
    def episode(self, end_ns: int, judged: bool = True) -> Episode:
        """The steps as an Episode; the caller adds who, why and how it ended."""
        stamps = self.stamps(end_ns)
        commands = [self.commands[s] for s in stamps[:-1]]
        rewards = [self.rewards[s] for s in stamps[1:]] if judged else []
        out = Episode(episode_id=self.episode_id, length=len(commands))
        out.header.stamp = stamp_of(end_ns)
        pictures = b"".join(self.images[s].data.tobytes() for s in stamps)
        out.images = octets(np.frombuffer(pictures, np.uint8))
        out.features = floats(self._features(commands, end_ns), "f")
        out.proprio = floats([*(c.proprio for c in commands), self._proprio(self.states[end_ns])], "f")
        out.actions = floats([c.action for c in commands], "f")
        out.base_m = floats([c.base_m for c in commands])
        out.executed_m = floats([self.executed[s].delta_m for s in stamps[:-1]])
        out.probabilities = floats([r.probability for r in rewards], "f")
        out.rewards = floats([r.reward for r in rewards], "f")
        out.policy_versions = [c.policy_version for c in commands]
        out.observation_age_s = floats([c.observation_age_s for c in commands], "f")
        out.config_hash = commands[-1].config_hash if commands else ""
        out.success, _, out.judge = self.success(end_ns)
        out.peak_force_n = max((self.states[s].peak_force_n for s in stamps[1:]), default=0.0)
        return out

    def _proprio(self, state: RobotState) -> np.ndarray:
        return np.concatenate([tip_of(state) - self.goal_m, force_of(state)]).astype(np.float32)

    def _features(self, commands: list[ResidualCommand], end_ns: int) -> np.ndarray:
        """Features (T+1, F): what the actions answered, and of the last image; F is 0 without a policy."""
        if not self._by_policy():
            return np.zeros((len(commands) + 1, 0), np.float32)
        rows = [np.asarray(c.features, np.float32) for c in commands]
        return np.stack([*rows, np.asarray(self.latents[end_ns].features, np.float32)])

    def _by_policy(self) -> bool:
        return any(len(c.features) for c in self.commands.values())


def aborted_episode(episode_id: str, reason: str) -> Episode:
    """An attempt that was given up: no steps, one empty observation, judged by nobody."""
    out = Episode(episode_id=episode_id, end_reason=reason, truncated=True, judge="nobody")
    out.images = octets(np.zeros((48, 48, 3), np.uint8))
    out.proprio = floats(np.zeros(6), "f")
    return out
