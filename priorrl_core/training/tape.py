"""Keeps the episodes that an environment runs through, for run folders without ROS. No learner reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from priorrl_core.data.mcap_episodes import EpisodeRecord, write_episode
from priorrl_core.data.run_index import append_line
from priorrl_core.rewards.classifier import RewardModel


class EpisodeTape(gym.Wrapper):
    """Records the newest episode; ``store`` writes it as the graph's recorder would."""

    def __init__(self, env: Any, run: Path, reward_model: RewardModel, connector: str) -> None:
        super().__init__(env)
        self.run, self.reward_model, self.connector = run, reward_model, connector
        self._rows: dict[str, list[Any]] = {}
        self._truth: dict[str, Any] | None = None
        self._fault = ""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(**kwargs)
        self._rows = {
            "images": [obs["image"]],
            "proprio": [obs["proprio"]],
            "actions": [],
            "base_m": [],
            "executed_m": [],
            "peak_force_n": [],
        }
        self._truth, self._fault = info.get("ground_truth"), ""
        return obs, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._rows["images"].append(obs["image"])
        self._rows["proprio"].append(obs["proprio"])
        self._rows["actions"].append(np.asarray(action, np.float32))
        for key in ("base_m", "executed_m", "peak_force_n"):
            self._rows[key].append(info[key])
        self._truth, self._fault = info.get("ground_truth"), str(info["fault"] or "")
        return obs, reward, terminated, truncated, info

    def store(self, kind: str, policy: str, scenario: str, seed: int, index: int, version: int) -> None:
        """Writes the MCAP file, the line of ``index.jsonl`` and that of ``ground_truth.jsonl``."""
        name = f"{kind}-{policy}-{scenario}-s{seed}-{index:04d}"
        record = self._record(name, kind, policy, index, version)
        file = f"episodes/{name}.mcap"
        digest = write_episode(self.run / file, record)
        if self._truth is not None:
            append_line(
                self.run / "ground_truth.jsonl",
                {
                    "episode_id": name,
                    "inserted": bool(self._truth["inserted"]) and not self._fault,
                    "depth_m": float(self._truth["depth_m"]),
                },
            )
        append_line(
            self.run / "index.jsonl",
            {
                "episode_id": name,
                "index": index,
                "kind": kind,
                "policy": policy,
                "end_reason": record.end_reason,
                "closed": True,
                "success": record.success,
                "probability": float(record.probabilities[-1]),
                "peak_force_n": record.peak_force_n,
                "policy_version": version,
                "file": file,
                "sha256": digest,
            },
        )

    def _record(self, name: str, kind: str, policy: str, index: int, version: int) -> EpisodeRecord:
        images, steps = np.stack(self._rows["images"]), len(self._rows["actions"])
        rewards, probabilities = self.reward_model.reward(images[1:])
        return EpisodeRecord(
            episode_id=name,
            index=index,
            kind=kind,
            policy=policy,
            connector=self.connector,
            config_hash="",
            length=steps,
            images=images,
            features=np.zeros((steps + 1, 0), np.float32),
            proprio=np.stack(self._rows["proprio"]).astype(np.float32),
            actions=np.stack(self._rows["actions"]),
            base_m=np.stack(self._rows["base_m"]),
            executed_m=np.stack(self._rows["executed_m"]),
            probabilities=probabilities,
            rewards=rewards,
            policy_versions=np.full(steps, version, np.uint32),
            observation_age_s=np.zeros(steps, np.float32),
            terminated=bool(self._fault),
            truncated=not self._fault,
            end_reason="fault" if self._fault else "horizon",
            success=bool(rewards[-1] > 0.5) and not self._fault,
            judge=self.reward_model.source,
            peak_force_n=float(max(self._rows["peak_force_n"])),
            stamp_ns=(index + 1) * 10_000_000_000,
        )
