"""Returns on D4RL's scale: 0 is a random policy's, 100 an expert's (arXiv 2004.07219, values of its ``infos.py``)."""

from __future__ import annotations

from priorrl_core.errors import UserError, nearest

REFERENCES: dict[str, tuple[float, float]] = {
    "halfcheetah": (-280.178953, 12135.0),
    "hopper": (-20.272305, 3234.3),
    "walker2d": (1.629008, 4592.3),
    "ant": (-325.6, 3879.7),
    "antmaze": (0.0, 1.0),
    "kitchen": (0.0, 4.0),
    "pen": (96.262799, 3076.8331017826877),
    "door": (-56.512833, 2880.5693087298737),
    "hammer": (-274.856578, 12794.134825156867),
    "relocate": (-6.425911, 4233.877797728884),
    "pen-binary": (-100.0, 0.0),
    "door-binary": (-200.0, 0.0),
    "relocate-binary": (-200.0, 0.0),
}
"""Return of a random policy and of an expert. The binary tasks pay -1 a step until success: horizons 100 and 200."""


def reference(dataset: str) -> tuple[float, float]:
    """References of ``hopper-medium-v2`` and the like, by the longest name that it begins with."""
    found = [name for name in REFERENCES if dataset == name or dataset.startswith(name + "-")]
    if not found:
        raise UserError(f"there is no D4RL reference for '{dataset}'{nearest(dataset, REFERENCES)}")
    return REFERENCES[max(found, key=len)]


def normalised_score(value: float, dataset: str) -> float:
    """``100 (return - random) / (expert - random)``; UserError for a data set that is not in ``REFERENCES``."""
    low, high = reference(dataset)
    return 100.0 * (value - low) / (high - low)
