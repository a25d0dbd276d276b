"""Benches: ``priorrl bench NAME``. Each leaves ``bench/results/NAME/`` with CSV, plots and ``claims.csv``."""

from __future__ import annotations

#: Name, module with ``run(context) -> list[Claim]``, and what it measures.
BENCHES: dict[str, tuple[str, str]] = {
    "insertion": ("bench.insertion", "on-the-job insertion of held-out connectors (thesis Tables 5, 6, 7)"),
    "reward": ("bench.reward", "reward classification on connectors never seen (thesis Table 8)"),
    "residual": ("bench.residual", "residual RL on plugs and blocks (thesis Tables 3, 4, Figures 37 to 46)"),
    "env_speed": ("bench.env_speed", "environment steps per second beside robosuite's Sawyer"),
    "abm": ("bench.abm", "behaviour priors on mixed, conflicting data (Siegel et al. 2020, Table 6)"),
    "online": ("bench.online", "from data to practice in a maze: IQL, AWAC, and what RLPD, WSRL, Q-chunking add"),
    "practice": ("bench.practice", "the main job's options one at a time, beside the thesis's own setting"),
    "maze": ("bench.maze", "IQL's expectile, and AWAC and IQL going online, in a small maze (thesis Tables 2, 19)"),
    "fetch": ("bench.fetch", "demonstrations with DDPG and HER on Fetch tasks (thesis chapter 5, Figures 22 to 25)"),
    "learners": ("bench.learners", "returns of our learners beside d3rlpy and stable-baselines3 (issue 4)"),
    "latency": ("bench.latency", "camera image to residual command, as a ratio to a bare rclpy echo"),
    "learner_speed": ("bench.learner_speed", "an update of each learner beside d3rlpy, stable-baselines3 and SBX"),
    "drill": ("bench.drill", "a reward that is wrong in one place: does the monitor notice (row 10.30)"),
    "demo": ("bench.demo", "the whole demo through the ROS 2 graph"),
}
