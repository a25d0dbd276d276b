"""The latency bench on the real processes, short; the goal itself is the bench's to judge."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bench.latency import claim, measure, summary  # noqa: E402


def test_the_ratio_is_graph_to_echo_of_the_same_run() -> None:
    samples = np.tile([0.003, 0.001, 0.0005], (100, 1))
    median, p99 = summary(samples)
    assert (median["ratio"], median["ratio_events"], p99["ratio"]) == (3.0, 6.0, 3.0)
    assert claim(median).verdict == "holds"
    assert claim({**median, "ratio": 3.1}).verdict == "fails"


@pytest.mark.ros
def test_image_to_residual_command_through_the_real_graph() -> None:
    samples = measure(20)
    assert samples.shape == (20, 3) and (samples > 0.0).all()
    assert np.median(samples[:, 0]) < 0.1, "one control period"
