"""Puts one episode together from the messages of its steps, joined by the stamp of the observation."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image, JointState

from priorrl.msg import CartesianCommand, Episode, EpisodeTruth, Latent, ResidualCommand, Reward, RobotState
from priorrl_core.tasks.kinds import TaskKind, load_kind
from priorrl_nodes.messages import floats, force_of, objects_array, octets, stamp_of, time_ns, tip_of

#: Rewards that are no yes or no: their probability says whether it was done.
GRADED = ("dense", "assembly")


class EpisodeAssembly:
    """Collects what the graph says during one rollout. ``end_ns`` is the stamp of the last observation."""

    def __init__(self, episode_id: str, goal_m: np.ndarray, kind: TaskKind | None = None) -> None:
        self.episode_id, self.goal_m, self.kind = episode_id, np.asarray(goal_m), kind or load_kind()
        self.commands: dict[int, ResidualCommand] = {}
        self.executed: dict[int, CartesianCommand] = {}
        self.images: dict[int, Image] = {}
        self.states: dict[int, RobotState] = {}
        self.rewards: dict[int, Reward] = {}
        self.truths: dict[int, EpisodeTruth] = {}
        self.latents: dict[int, Latent] = {}
        self.objects: dict[int, JointState] = {}

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

    def on_objects(self, message: JointState) -> None:
        self.objects[time_ns(message.header.stamp)] = message

    def on_truth(self, message: EpisodeTruth) -> None:
        self.truths[time_ns(message.header.stamp)] = message

    # ---- what is known ---------------------------------------------------------------------------
    def stamps(self, end_ns: int) -> list[int]:
        """Stamps of the T+1 observations. A command that the gate refused is no step."""
        done = sorted(s for s in self.commands if s in self.executed and s < end_ns)
        return [*done, end_ns]

    def newest_ns(self) -> int:
        return max(self.states, default=0)

    def complete(self, judged: bool) -> bool:
        """Whether all parts of at least one zeroed observation are here: whoever sends them is heard."""
        parts: list[dict] = [{s: m for s, m in self.states.items() if m.zeroed}]
        parts += [self.images] if self.kind.image_shape else []
        parts += [self.objects] if self.kind.tracked else []
        parts += [self.rewards] if judged else []
        return bool(set.intersection(*(set(part) for part in parts)))

    def missing(self, end_ns: int, judged: bool, steps: int = 0) -> str:
        """What has not come yet, in words; empty when the episode is whole: its ``steps`` commands and their parts."""
        stamps = self.stamps(end_ns)
        commands = sum(s < end_ns for s in self.commands)
        if commands < steps:
            return f"residual_command of {steps - commands} of {steps} steps"
        wanted: list[tuple[str, dict, list[int]]] = [
            ("image", self.images, stamps if self.kind.image_shape else []),
            ("objects", self.objects, [end_ns] if self.kind.tracked else []),
            ("robot_state", self.states, stamps),
            ("safe_command", self.executed, [s for s in self.commands if s < end_ns]),
        ]
        if self._by_perception():
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
        value = last.probability if last.source in GRADED else last.reward
        return bool(value > 0.5), float(last.probability), last.source

    # ---- what goes out ---------------------------------------------------------------------------
    def episode(self, end_ns: int, judged: bool = True) -> Episode:
        """The steps as an Episode; the caller adds who, why and how it ended."""
        stamps = self.stamps(end_ns)
        commands = [self.commands[s] for s in stamps[:-1]]
        rewards = [self.rewards[s] for s in stamps[1:]] if judged else []
        out = Episode(episode_id=self.episode_id, length=len(commands))
        out.header.stamp = stamp_of(end_ns)
        seen = stamps if self.kind.image_shape else []
        pictures = b"".join(self.images[s].data.tobytes() for s in seen)
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
        """Features (T+1, F): what the actions answered, and of the last observation; F is 0 where the policy
        needs perception and did not act."""
        rows = [np.asarray(c.features, np.float32) for c in commands]
        if self.kind.observation == "position":
            return np.stack([*rows, self._observation(end_ns)])
        if not self._by_perception():
            return np.zeros((len(commands) + 1, 0), np.float32)
        return np.stack([*rows, np.asarray(self.latents[end_ns].features, np.float32)])

    def _observation(self, stamp_ns: int) -> np.ndarray:
        """The position view of the observation with that stamp."""
        state, objects = self.states[stamp_ns], self.objects.get(stamp_ns)
        poses = None if objects is None else objects_array(objects)
        return self.kind.observe(tip_of(state), force_of(state), self.goal_m, poses)

    def _by_perception(self) -> bool:
        return self.kind.observation == "image" and any(len(c.features) for c in self.commands.values())


def aborted_episode(episode_id: str, reason: str, kind: TaskKind) -> Episode:
    """An attempt that was given up: no steps, one empty observation, judged by nobody."""
    out = Episode(episode_id=episode_id, end_reason=reason, truncated=True, judge="nobody")
    out.images = octets(np.zeros(kind.image_shape or 0, np.uint8))
    out.proprio = floats(np.zeros(6), "f")
    return out
