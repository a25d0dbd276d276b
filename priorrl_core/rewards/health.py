"""Is the representation healthy, and is the reward being gamed? Numbers, and sentences when they are bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from priorrl_core.perception.encoder import Mode

MIN_KL_NATS = 0.01
DOMAIN_EXCESS = 0.25


@dataclass(frozen=True)
class Health:
    """One report of training; ``domain_accuracy`` is the adversary's on z_I, its chance 1 / n_domains."""

    iteration: int
    reward_loss: float
    reward_accuracy: float
    domain_loss: float
    domain_accuracy: float
    domain_chance: float
    kl_nats: float
    adversarial_weight: float
    alarms: tuple[str, ...] = ()


def alarms(mode: Mode, values: dict[str, float], progress: float) -> tuple[str, ...]:
    """Sentences about a sick representation: z_S collapsed, z_I not invariant, reward at chance, NaN."""
    found: list[str] = []
    if not all(np.isfinite(v) for v in values.values()):
        found.append("a loss is not finite: lower the learning rate or bound z_I")
    if mode in ("daib", "vib") and values["kl_nats"] < MIN_KL_NATS:
        found.append(f"KL(z_S) is {values['kl_nats']:.4f} nats: z_S carries nothing; lower beta_ib")
    late = progress >= 0.9
    excess = values["domain_accuracy"] - values["domain_chance"]
    if mode in ("daib", "dann", "daib_lambda0") and late and excess > DOMAIN_EXCESS:
        found.append(
            f"the domain is read from z_I in {100 * values['domain_accuracy']:.0f} % of the images "
            f"(chance {100 * values['domain_chance']:.0f} %): z_I is not invariant"
        )
    if late and values["reward_accuracy"] < 0.6:
        found.append("the reward is at chance on its own training images: training collapsed")
    return tuple(found)


def probe_domains(z_i: NDArray[np.float32], domains: NDArray[np.int64], seed: int = 0) -> float:
    """Accuracy with which a fresh linear (ridge) probe reads the domain from frozen z_I, on the other half.

    The adversary itself can be at chance because it is weak; this probe is trained after the fact.
    """
    if z_i.shape[1] == 0:
        return float("nan")
    rng = np.random.default_rng(seed)
    order = rng.permutation(z_i.shape[0])
    fit, test = order[::2], order[1::2]
    classes, target = np.unique(domains, return_inverse=True)
    x = np.column_stack([z_i, np.ones(z_i.shape[0])]).astype(np.float64)
    one_hot = np.eye(classes.size)[target]
    gram = x[fit].T @ x[fit] + 1e-2 * fit.size / 100.0 * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x[fit].T @ one_hot[fit])
    return float((np.argmax(x[test] @ weights, 1) == target[test]).mean())


class RewardMonitor:
    """Watches the reward online without ground truth: does claimed success agree with where the arm is?

    ``fit`` takes the heights (metres above the believed goal, from proprioception) of labelled successes in
    the prior data. Online, a claim from clearly above that range is a suspect; when more than ``share`` of
    the last ``window`` claims are suspect, ``update`` says so (rows 10.13 and 10.30); also when the reward
    claimed nothing in ``patience`` episodes, since without a claim there is nothing to learn from.
    """

    def __init__(
        self, margin_m: float = 0.004, share: float = 0.3, window: int = 40, patience: int = 15
    ) -> None:
        self.margin_m, self.share, self.window, self.patience = margin_m, share, window, patience
        self.highest_m = float("nan")
        self.suspects: list[bool] = []
        self.silent = 0
        """Episodes without a claim since the last one with a claim."""

    def fit(self, height_m: NDArray[Any], labels: NDArray[np.uint8]) -> RewardMonitor:
        self.highest_m = float(np.quantile(height_m[labels > 0], 0.99)) + self.margin_m
        return self

    def suspect_share(self) -> float:
        """Of the last ``window`` claims; 0 before the fifth."""
        return float(np.mean(self.suspects)) if len(self.suspects) >= 5 else 0.0

    def update(self, claimed: NDArray[Any], height_m: NDArray[Any]) -> str | None:
        """One episode: ``claimed`` (T,) rewards > 0, ``height_m`` (T,). Returns the alarm, or None."""
        heights = np.asarray(height_m)[np.asarray(claimed) > 0]
        self.silent = 0 if heights.size else self.silent + 1
        if self.silent >= self.patience:
            return (
                f"the reward has not said yes in the last {self.silent} trials: nothing was inserted, or it does "
                "not know this connector; look at the pictures, and give it images of the connector if it is wrong"
            )
        self.suspects = (self.suspects + [bool(h > self.highest_m) for h in heights])[-self.window :]
        share = self.suspect_share()
        if share <= self.share:
            return None
        return (
            f"{100 * share:.0f} % of the last {len(self.suspects)} claimed successes were more than "
            f"{1000 * self.highest_m:.1f} mm above the goal: the reward model is probably wrong there"
        )
