"""The reward model of chapter 10: was this image taken with the plug inserted? Trained, judged, saved.

``members`` networks vote (mean logit). Each member leaves out other whole connector families of the training
connectors, and is judged on those: the pooled left-out predictions choose temperature and threshold, so the
test connectors are never looked at and no network is trained twice.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray

from priorrl_core.config import build, config_hash
from priorrl_core.errors import ConfigError, DataError
from priorrl_core.perception.encoder import module_hash
from priorrl_core.perception.preprocess import check_batch, to_tensor
from priorrl_core.rewards.calibration import choose_threshold, fit_temperature, sigmoid
from priorrl_core.rewards.config import RewardConfig
from priorrl_core.rewards.health import Health, probe_domains
from priorrl_core.rewards.network import RewardNet, build_networks, train_network
from priorrl_core.rewards.report import Evaluation, evaluate
from priorrl_core.rewards.sampling import balanced_subset, family_folds

SCHEMA = "1"
Progress = Callable[[int, Health], None]


@dataclasses.dataclass
class RewardModel:
    """``probability(images)`` of success and ``reward(images)`` for the learner. Frozen, deterministic."""

    nets: list[RewardNet]
    config: RewardConfig
    temperature: float = 1.0
    threshold: float = 0.5
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for net in self.nets:
            net.eval().requires_grad_(False)
        self.model_hash = f"{module_hash(*self.nets)[:8]}{config_hash(self.temperature, self.threshold)[:4]}"

    @property
    def source(self) -> str:
        """Who says so: ``daib``, ``erm``, ... (the field of Reward.msg)."""
        return self.config.mode

    def probability(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probability of success (B,) of uint8 images (B,48,48,3); z_S at its mean."""
        images = check_batch(images)
        logit = np.mean([net.logits(images) for net in self.nets], axis=0)
        return sigmoid(logit / self.temperature).astype(np.float32)

    def reward(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(reward (B,), probability (B,)): 0 or 1 at the threshold, or the probability itself if soft."""
        p = self.probability(images)
        return (p if self.config.reward == "soft" else (p >= self.threshold).astype(np.float32)), p

    def save(self, path: str | Path) -> None:
        """One safetensors file; configuration, threshold and facts as JSON in its header."""
        tensors = {f"{i}.{k}": v.contiguous() for i, net in enumerate(self.nets)
                   for k, v in net.state_dict().items()}  # fmt: skip
        header = {
            "schema": SCHEMA,
            "kind": "reward",
            "members": str(len(self.nets)),
            "config": json.dumps(dataclasses.asdict(self.config), sort_keys=True),
            "temperature": repr(self.temperature),
            "threshold": repr(self.threshold),
            "facts": json.dumps(self.facts, sort_keys=True),
            "model_hash": self.model_hash,
        }
        safetensors.torch.save_file(tensors, str(path), metadata=header)

    @classmethod
    def load(cls, path: str | Path) -> RewardModel:
        """From ``save``; DataError if the file is missing, truncated, or of another architecture."""
        header, tensors = _read(path)
        try:
            config = build(RewardConfig, json.loads(header["config"]), str(path))
            nets = [build_networks(config, 1, 0)[0] for _ in range(int(header["members"]))]
            for i, net in enumerate(nets):
                prefix = f"{i}."
                net.load_state_dict({k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)})
            facts = json.loads(header["facts"])
            model = cls(nets, config, float(header["temperature"]), float(header["threshold"]), facts)
        except (KeyError, ValueError, RuntimeError, ConfigError) as error:
            what = f"another architecture ({str(error).splitlines()[0]})"
            raise DataError(f"'{path}' holds {what}; train the reward anew") from error
        if model.model_hash != header["model_hash"]:
            raise DataError(f"'{path}' does not match its own hash; copy it again or train the reward anew")
        return model


def _read(path: str | Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    try:
        with safetensors.safe_open(str(path), "pt") as file:  # type: ignore[no-untyped-call]
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise DataError(f"there is no reward model '{path}'; train one with 'priorrl train'") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(f"'{path}' is truncated or not a safetensors file; copy it again") from error
    if header.get("kind") != "reward" or header.get("schema") != SCHEMA:
        raise DataError(f"'{path}' is not a reward model of schema {SCHEMA}; train the reward anew")
    return header, tensors


def single_images(
    episodes: NDArray[np.uint8], labels: NDArray[np.uint8], connector: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    """Episodes (N,T+1,48,48,3), labels (N,T+1), connector (N,) -> images, labels, domains, each (M,...)."""
    n, t = labels.shape
    return (
        episodes.reshape(n * t, *episodes.shape[2:]),
        labels.reshape(-1).astype(np.uint8),
        np.repeat(np.asarray(connector, np.int64), t),
    )


def train_reward(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    domains: NDArray[np.int64],
    families: Sequence[str],
    config: RewardConfig,
    seed: int,
    progress: Progress | None = None,
) -> RewardModel:
    """Train ``config.members`` networks on single images and choose temperature and threshold.

    images (M,48,48,3) uint8; labels (M,) 0/1; domains (M,) ids of the connectors; families[id] is the family
    of connector ``id``. Give training connectors only: the test connectors must not be among them.
    """
    images, labels, domains = _check(images, labels, domains, families)
    rng = np.random.default_rng(seed)
    family = np.asarray(families)
    present = [str(family[d]) for d in np.unique(domains)]
    folds = family_folds(present, config.members, rng)
    nets: list[RewardNet] = []
    pooled: list[tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64]]] = []
    facts: dict[str, Any] = {"seed": seed, "alarms": [], "health": [], "left_out": [sorted(f) for f in folds]}
    for k in range(config.members):
        left_out = np.isin(family[domains], list(folds[k % len(folds)]))
        inside = np.flatnonzero(~left_out)
        report = (lambda h, k=k: progress(k, h)) if progress else None
        net, history = train_network(images[inside], labels[inside], domains[inside], config,
                                     seed * 1009 + k, report)  # fmt: skip
        judged = balanced_subset(labels, np.where(left_out, domains, -1), 300, rng)
        judged = judged[left_out[judged]]
        nets.append(net)
        pooled.append((net.logits(images[judged]), labels[judged], domains[judged]))
        facts["alarms"] += [f"member {k}: {a}" for a in history[-1].alarms]
        facts["health"].append(_health(net, history[-1], images[inside], domains[inside], rng))
    return _finish(nets, config, facts, pooled)


def _finish(
    nets: list[RewardNet], config: RewardConfig, facts: dict[str, Any], pooled: list[Any]
) -> RewardModel:
    """Temperature and threshold from the pooled predictions on left-out families."""
    logits, labels, domains = (np.concatenate([p[i] for p in pooled]) for i in range(3))
    temperature = fit_temperature(logits, labels)
    probability = sigmoid(logits / temperature)
    threshold = choose_threshold(probability, labels, config.min_precision)
    result: Evaluation = evaluate(probability, labels, domains, threshold)
    facts["validation"] = dataclasses.asdict(result)
    facts["alarms"] += validation_alarms(result, config.min_precision)
    return RewardModel(nets, config, temperature, threshold, facts)


def validation_alarms(result: Evaluation, min_precision: float) -> list[str]:
    """Sentences for a reward that should not be learned from (10-R5): imprecise, or blind to success."""
    found: list[str] = []
    if result.precision < min_precision - 0.02:
        found.append(
            f"only {100 * result.precision:.0f} % of the claimed successes on left-out families are true: "
            "a policy may learn to seek false rewards; collect more connectors or train longer"
        )
    if result.recall < 0.3:
        found.append(f"only {100 * result.recall:.0f} % of the successes on left-out families are noticed")
    return found


def _health(
    net: RewardNet,
    last: Health,
    images: NDArray[np.uint8],
    domains: NDArray[np.int64],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The last health report and the accuracy of a fresh probe for the domain on z_I."""
    some = rng.choice(len(images), min(4000, len(images)), replace=False)
    with torch.no_grad():
        z_i = np.concatenate([net.encoder(to_tensor(images[some[i : i + 512]])).z_i.numpy()
                              for i in range(0, some.size, 512)])  # fmt: skip
    probe = probe_domains(z_i, domains[some])
    return {**dataclasses.asdict(last), "probe_domain_accuracy": None if np.isnan(probe) else probe}


def _check(
    images: NDArray[np.uint8], labels: NDArray[Any], domains: NDArray[Any], families: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    images = check_batch(images)
    if labels.shape != (len(images),) or domains.shape != (len(images),):
        shapes = f"{labels.shape} and {domains.shape}"
        raise DataError(f"{len(images)} images need as many labels and domains, not {shapes}")
    if not np.isin(labels, (0, 1)).all():
        raise DataError("labels must be 0 (not inserted) or 1 (inserted)")
    if len(domains) and (domains.min() < 0 or domains.max() >= len(families)):
        raise DataError(f"domain ids must be 0 to {len(families) - 1}, one for each entry of families")
    return images, labels.astype(np.uint8), domains.astype(np.int64)
