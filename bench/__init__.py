"""Benches: ``priorrl bench NAME``. Each leaves ``bench/results/NAME/`` with CSV, plots and ``claims.csv``."""

from __future__ import annotations

#: Name, module with ``run(context) -> list[Claim]``, and what it measures.
BENCHES: dict[str, tuple[str, str]] = {
    "insertion": ("bench.insertion", "on-the-job insertion of held-out connectors (thesis Tables 5, 6, 7)"),
    "reward": ("bench.reward", "reward classification on connectors never seen (thesis Table 8)"),
    "residual": ("bench.residual", "residual RL on plugs and blocks (thesis Tables 3, 4, Figures 37 to 46)"),
    "learners": ("bench.learners", "returns of our learners beside d3rlpy and stable-baselines3 (issue 4)"),
    "latency": ("bench.latency", "camera image to residual command, as a ratio to a bare rclpy echo"),
    "drill": ("bench.drill", "a reward that is wrong in one place: does the monitor notice (row 10.30)"),
    "demo": ("bench.demo", "the whole demo through the ROS 2 graph"),
}
