"""A small run folder as the graph leaves it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from priorrl_core.data.mcap_episodes import EpisodeRecord, write_episode
from priorrl_core.data.run_index import append_line

STEPS = 4


def episode(episode_id: str, index: int, kind: str, policy: str, success: bool) -> EpisodeRecord:
    rng = np.random.default_rng(index)
    zeros = np.zeros((STEPS, 3))
    return EpisodeRecord(
        episode_id=episode_id,
        index=index,
        kind=kind,
        policy=policy,
        connector="europlug",
        config_hash="0" * 12,
        length=STEPS,
        images=rng.integers(0, 255, (STEPS + 1, 48, 48, 3), np.uint8),
        features=np.zeros((STEPS + 1, 8), np.float32),
        proprio=np.full((STEPS + 1, 6), 2.0, np.float32),
        actions=zeros.astype(np.float32),
        base_m=zeros,
        executed_m=zeros,
        probabilities=np.linspace(0.1, 0.9, STEPS, dtype=np.float32),
        rewards=np.zeros(STEPS, np.float32),
        policy_versions=np.zeros(STEPS, np.uint32),
        observation_age_s=np.zeros(STEPS, np.float32),
        terminated=False,
        truncated=True,
        end_reason="horizon",
        success=success,
        judge="daib",
        peak_force_n=12.0,
        stamp_ns=10**9,
    )


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Base 0 of 2, offline 1 of 2, practice 3 trials, online 2 of 2; the reward is wrong once in practice."""
    plan = [
        ("eval", "base", [(False, False), (False, False)]),
        ("eval", "offline", [(True, True), (False, False)]),
        ("practice", "online", [(True, False), (True, True), (False, False)]),
        ("eval", "online", [(True, True), (True, True)]),
    ]
    for kind, policy, outcomes in plan:
        for index, (judged, inserted) in enumerate(outcomes):
            name = f"{kind}-{policy}-I-s0-{index:04d}"
            file = f"episodes/{name}.mcap"
            write_episode(tmp_path / file, episode(name, index, kind, policy, judged))
            append_line(
                tmp_path / "index.jsonl",
                {
                    "episode_id": name,
                    "index": index,
                    "kind": kind,
                    "policy": policy,
                    "end_reason": "horizon",
                    "closed": True,
                    "success": judged,
                    "probability": 0.9 if judged else 0.1,
                    "peak_force_n": 12.0,
                    "policy_version": index,
                    "file": file,
                },
            )
            append_line(
                tmp_path / "ground_truth.jsonl", {"episode_id": name, "inserted": inserted, "depth_m": 0.0}
            )
    append_line(
        tmp_path / "index.jsonl",
        {
            "episode_id": "practice-online-I-s0-0003",
            "index": 3,
            "kind": "practice",
            "policy": "online",
            "closed": False,
        },
    )
    (tmp_path / "metrics.csv").write_text("episode,trainer/updates,trainer/q_loss\n1,20,0.5\n2,40,\n")
    (tmp_path / "config.json").write_text(json.dumps({"connector": "europlug"}))
    return tmp_path
