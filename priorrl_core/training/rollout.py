"""Rolling out policies in ``InsertionEnv``, without ROS (row S.11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from priorrl_core.agents.iql_agent import IQLAgent
from priorrl_core.control.exploration import Exploration
from priorrl_core.control.policy_head import PolicyHead
from priorrl_core.perception.frozen_encoder import FrozenEncoder

KINDS = {"practice": 0, "eval": 1}


def episode_seed(seed: int, kind: str, index: int) -> int:
    """Seed of one episode: its goal error is drawn from it, and (plus one) its exploration."""
    return int(np.random.SeedSequence([seed, KINDS[kind], index]).generate_state(1)[0])


class Policy(Protocol):
    """What ``rollout`` needs; a user's own policy satisfies it too."""

    def reset(self, seed: int) -> None: ...

    def act(self, image: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        """Action (3,) in [-1, 1] for an image (48, 48, 3) uint8 and proprio (6,)."""
        ...


class BasePolicy:
    """No residual: the base controller alone."""

    def reset(self, seed: int) -> None:
        del seed

    def act(self, image: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        return np.zeros(3, np.float32)


class HeadPolicy:
    """Frozen policy encoder and a NumPy head, one image at a time: the arithmetic of the graph."""

    def __init__(self, agent: IQLAgent, head: bytes, explore: bool = False) -> None:
        self.agent, self.explore = agent, explore
        self.head = PolicyHead.from_bytes(head)
        self._encode = FrozenEncoder(agent.encoder("policy"))
        self._noise: Exploration | None = None

    def reset(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._noise = Exploration.of_policy(self.head.metadata, rng) if self.explore else None

    def act(self, image: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        mean = self.head.mean(self._encode(image), proprio)
        return mean if self._noise is None else self._noise.perturb(mean)


@dataclass
class Rollout:
    """One episode of T steps; ``inserted`` (T+1,) is the simulator's truth, kept apart from all else."""

    images: np.ndarray
    proprio: np.ndarray
    actions: np.ndarray
    base_m: np.ndarray
    executed_m: np.ndarray
    peak_force_n: np.ndarray
    terminated: bool
    fault: str
    inserted: np.ndarray | None
    offset_m: np.ndarray | None

    @property
    def success(self) -> bool:
        """Inserted at the end, by the simulator's truth."""
        if self.inserted is None:
            raise ValueError("ground truth is withheld in this rollout; evaluate with it on")
        return bool(self.inserted[-1]) and not self.terminated


def rollout(env: Any, policy: Policy, seed: int, scenario: str) -> Rollout:
    """One episode from ``seed``; ends at the horizon or with a safety fault."""
    obs, info = env.reset(seed=seed, options={"scenario": scenario})
    policy.reset(seed + 1)
    seen: dict[str, list] = {"images": [obs["image"]], "proprio": [obs["proprio"]], "truth": [_truth(info)]}
    done: dict[str, list] = {"actions": [], "base_m": [], "executed_m": [], "peak_force_n": []}
    terminated, truncated, fault = False, False, ""
    while not (terminated or truncated):
        action = policy.act(obs["image"], obs["proprio"])
        obs, _, terminated, truncated, info = env.step(action)
        done["actions"].append(action)
        for key in ("base_m", "executed_m", "peak_force_n"):
            done[key].append(info[key])
        seen["images"].append(obs["image"])
        seen["proprio"].append(obs["proprio"])
        seen["truth"].append(_truth(info))
        fault = str(info["fault"] or "")
    truth = seen.pop("truth")
    known = truth[0] is not None
    return Rollout(
        images=np.stack(seen["images"]), proprio=np.stack(seen["proprio"]).astype(np.float32),
        actions=np.stack(done["actions"]).astype(np.float32), base_m=np.stack(done["base_m"]),
        executed_m=np.stack(done["executed_m"]), peak_force_n=np.array(done["peak_force_n"]),
        terminated=terminated, fault=fault,
        inserted=np.array([t[0] for t in truth]) if known else None,
        offset_m=np.stack([t[1] for t in truth]) if known else None)


def _truth(info: dict[str, Any]) -> tuple[bool, np.ndarray] | None:
    truth = info.get("ground_truth")
    return (bool(truth["inserted"]), np.asarray(truth["offset_m"])) if truth else None
