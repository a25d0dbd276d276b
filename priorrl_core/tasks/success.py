"""When a task counts as done, for evaluation alone (law 6): pure functions of poses, so that a table can test them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from priorrl_core.tasks.connectors import Fit


@dataclass(frozen=True)
class InsertionLimits:
    """What an insertion must keep to."""

    far_m: float = 0.01
    """A final distance beyond this is a failure (thesis figure 46)."""
    lateral_m: float = 0.0007
    """Beyond the clearance, how far beside the axis an inserted plug may stand; not given in the thesis."""


def insertion_done(offset_m: np.ndarray, fit: Fit, limits: InsertionLimits) -> bool:
    """Whether a plug at ``offset_m`` (3,) from fully inserted is in (rows 9.23, 9.25).

    Three conditions, stricter than the thesis's 10 mm: deep enough for the contacts to close, on the
    axis, and near in space, so that going down beside the socket is no success (9-R3).
    """
    deep = fit.depth_mm * 1e-3 - float(offset_m[2]) >= fit.success_depth_mm * 1e-3
    beside = float(np.abs(offset_m[:2]).max()) <= fit.clearance_mm * 1e-3 + limits.lateral_m
    return bool(deep and beside and float(np.linalg.norm(offset_m)) <= limits.far_m)


@dataclass(frozen=True)
class AssemblyLimits:
    """What a finished assembly must keep to; replaces a person's judgement (row 8.19). Not in the thesis."""

    slot_m: float = 0.005
    """Largest sideways error of the held block in its slot, per axis."""
    depth_m: float = 0.01
    """Largest error of its height."""
    tilt_rad: float = 0.1745
    """Largest tilt of a standing block (10 degrees)."""
    shift_m: float = 0.01
    """Largest horizontal shift of a standing block."""


def assembly_done(offset_m: np.ndarray, tilt_rad: np.ndarray, shift_m: np.ndarray, limits: AssemblyLimits) -> bool:
    """Whether the held block (offset (3,) [m]) is in its slot with both blocks upright AND in place."""
    in_slot = float(np.abs(offset_m[:2]).max()) <= limits.slot_m and abs(float(offset_m[2])) <= limits.depth_m
    return bool(in_slot and float(np.max(tilt_rad)) < limits.tilt_rad and float(np.max(shift_m)) < limits.shift_m)
