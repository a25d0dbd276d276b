"""When a task counts as done: tables of poses."""

from __future__ import annotations

import numpy as np
import pytest

from priorrl_core.tasks.connectors import Fit
from priorrl_core.tasks.success import AssemblyLimits, InsertionLimits, assembly_done, insertion_done

FIT = Fit(clearance_mm=0.3, chamfer_mm=0.4, depth_mm=8.0, success_depth_mm=6.8)


@pytest.mark.parametrize(("offset_mm", "done"), [
    ((0.0, 0.0, 0.0), True), ((0.0, 0.0, 1.1), True), ((0.0, 0.0, 1.3), False), ((0.9, -0.9, 0.5), True),
    ((1.1, 0.0, 0.5), False), ((0.0, -1.1, 0.0), False), ((0.0, 0.0, 8.0), False), ((0.0, 0.0, 50.0), False),
    ((0.0, 30.0, 0.0), False),  # went down beside the socket
    ((25.0, 0.0, -5.0), False), ((0.0, 0.0, -9.0), True), ((0.0, 0.0, -11.0), False)])
def test_9_25_insertion_is_judged_in_three_dimensions(offset_mm, done):
    assert insertion_done(np.array(offset_mm) * 1e-3, FIT, InsertionLimits(0.01, 0.0007)) is done


def test_9_25_a_final_distance_beyond_10_mm_is_a_failure_however_lax_the_rest_is():
    lax = Fit(clearance_mm=3.0, chamfer_mm=0.0, depth_mm=20.0, success_depth_mm=1.0)
    deep = np.array([0.0, 0.0, 0.0101])
    assert not insertion_done(deep, lax, InsertionLimits())
    assert insertion_done(deep * 0.98, lax, InsertionLimits())


@pytest.mark.parametrize(("offset_mm", "tilt_deg", "shift_mm", "done"), [
    ((0, 0, 0), (0, 0), (0, 0), True), ((4, -4, 8), (9, 9), (9, 9), True),
    ((0, 0, 0), (11, 0), (0, 0), False), ((0, 0, 0), (0, 90), (0, 0), False),
    ((0, 0, 0), (0, 0), (0, 11), False), ((0, 0, 0), (0, 0), (30, 0), False),
    ((0, 0, 70), (0, 0), (0, 0), False), ((6, 0, 0), (0, 0), (0, 0), False), ((0, 6, 0), (0, 0), (0, 0), False),
    ((0, 0, 11), (0, 0), (0, 0), False)])
def test_8_19_upright_and_in_place(offset_mm, tilt_deg, shift_mm, done):
    got = assembly_done(np.array(offset_mm) * 1e-3, np.radians(tilt_deg), np.array(shift_mm) * 1e-3, AssemblyLimits())
    assert got is done
