"""A point that must be moved under a coloured square: the smallest world with InsertionEnv's interface."""

from __future__ import annotations

import numpy as np

from priorrl_core.data.episodes import EpisodeBatch, PriorData

HORIZON, LIMIT_M, TOLERANCE_M = 8, 0.004, 0.003


def draw(offset_m: np.ndarray, colour: int) -> np.ndarray:
    """48x48 picture: a square at the offset (1 pixel a millimetre)."""
    image = np.full((48, 48, 3), 40 + 10 * colour, np.uint8)
    x, y = np.clip(24 - np.round(offset_m[:2] * 1000).astype(int), 3, 44)
    image[y - 3:y + 4, x - 3:x + 4] = (220, 60 * (colour % 4), 30)
    return image


class PointEnv:
    def __init__(self, colour: int = 0, ground_truth: bool = True, fault_at: int = -1) -> None:
        self.colour, self.ground_truth, self.fault_at = colour, ground_truth, fault_at
        self._offset, self._start, self._step = np.zeros(3), np.zeros(3), 0

    def reset(self, *, seed=None, options=None):
        rng = np.random.default_rng(seed)
        self._start = np.append(rng.uniform(-0.012, 0.012, 2), 0.0)
        self._offset, self._step = self._start.copy(), 0
        return self._obs(), self._info()

    def step(self, action):
        self._offset = self._offset + np.asarray(action, np.float64) * LIMIT_M * np.array([1, 1, 0])
        self._step += 1
        fault = "force" if self._step == self.fault_at else None
        info = {"base_m": np.zeros(3), "executed_m": np.asarray(action) * LIMIT_M, "fault": fault,
                "peak_force_n": 0.0, **self._info()}
        return self._obs(), 0.0, fault is not None, self._step >= HORIZON, info

    def _obs(self):
        proprio = np.concatenate([self._offset - self._start, np.zeros(3)]).astype(np.float32)
        return {"image": draw(self._offset, self.colour), "proprio": proprio}

    def _info(self):
        if not self.ground_truth:
            return {}
        inserted = bool(np.hypot(*self._offset[:2]) < TOLERANCE_M)
        return {"ground_truth": {"inserted": inserted, "offset_m": self._offset.copy()}}


class SquareReward:
    """Stands in for the learned reward: the square is in the middle of the picture."""

    def reward(self, images: np.ndarray):
        red = images[:, 22:27, 22:27, 0] == 220
        hit = (red.mean((1, 2)) > 0.8).astype(np.float32)
        return hit, hit


def collect(colours: int, episodes: int, seed: int = 0, noise: float = 0.3) -> PriorData:
    """Scripted episodes: towards the middle, with random actions between."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list] = {}
    connector = []
    for colour in range(colours):
        env = PointEnv(colour)
        for _ in range(episodes):
            connector.append(colour)
            for key, value in _episode(env, rng, noise).items():
                rows.setdefault(key, []).append(value)
    batch = EpisodeBatch(**{key: np.stack(value) for key, value in rows.items()})
    names = tuple(f"c{i}" for i in range(colours))
    return PriorData(batch, np.array(connector, np.int64), names, tuple(f"f{i % 2}" for i in range(colours)),
                     tuple("sawyer_a" for _ in range(colours)))


def _episode(env: PointEnv, rng: np.random.Generator, noise: float) -> dict[str, np.ndarray]:
    seed = int(rng.integers(1 << 31))
    obs, info = env.reset(seed=seed)
    out: dict[str, list] = {"images": [obs["image"]], "proprio": [obs["proprio"]],
                            "labels": [info["ground_truth"]["inserted"]],
                            "offset_m": [info["ground_truth"]["offset_m"]], "actions": [], "noisy": []}
    for _ in range(HORIZON):
        noisy = rng.random() < noise
        aim = np.clip(-info["ground_truth"]["offset_m"] / LIMIT_M, -1, 1)
        action = (rng.uniform(-1, 1, 3) if noisy else aim).astype(np.float32)
        obs, _, _, _, info = env.step(action)
        out["actions"].append(action)
        out["noisy"].append(noisy)
        out["images"].append(obs["image"])
        out["proprio"].append(obs["proprio"])
        out["labels"].append(info["ground_truth"]["inserted"])
        out["offset_m"].append(info["ground_truth"]["offset_m"])
    labels = np.array(out["labels"], np.uint8)
    return {"images": np.stack(out["images"]), "proprio": np.stack(out["proprio"]).astype(np.float32),
            "wrench": np.zeros((HORIZON + 1, 6), np.float32), "labels": labels,
            "actions": np.stack(out["actions"]), "base_m": np.zeros((HORIZON, 3)),
            "executed_m": np.stack(out["actions"]).astype(np.float64) * LIMIT_M,
            "noisy": np.array(out["noisy"]), "rewards": labels[1:].astype(np.float32),
            "terminated": np.bool_(False), "truncated": np.bool_(True), "episode_seed": np.int64(seed),
            "offset_m": np.stack(out["offset_m"]).astype(np.float32),
            "goal_error_m": np.zeros(3, np.float32)}
