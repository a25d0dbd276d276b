"""Tables, budget and claims of the residual bench, from cells made by hand; each test names its row."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench.env_speed import summary  # noqa: E402
from bench.harness import Context, write_claims  # noqa: E402
from bench.residual import run  # noqa: E402
from bench.residual_cells import _practised  # noqa: E402
from bench.residual_claims import make_claims  # noqa: E402
from bench.residual_jobs import PLUGS, make_jobs, rows_of  # noqa: E402
from bench.residual_tables import Cells, budget_rows, table_rows  # noqa: E402
from priorrl_core.training.step_loop import EpisodeLog, Practice  # noqa: E402

RESULTS = ROOT / "bench" / "results" / "residual"


def cell(plug: str, row: str, seed: int = 0, exact: int = 25, noisy: int = 12, **more: Any) -> dict[str, Any]:
    base = {"part": "tables", "task": plug, "row": row, "seed": seed, "steps": 4000, "evals": 25, "yaw_rad": 0.0,
            "mean": 0.0, "std": 0.0, "exact_successes": exact, "noisy_successes": noisy, "noisy_distance_mm": 1.0,
            "saturated": 0.1, "reached_step": 300, "updates": 100, "learning_seconds": 4.0}
    return {**base, **more}


def test_9_26_tables_have_8_and_13_rows_and_percentages_are_multiples_of_4() -> None:
    cells = Cells(cell(p, r.name, noisy=i) for p in PLUGS for i, r in enumerate(rows_of(p)))
    assert [len(table_rows(cells, p)) for p in ("dsub", "model_e", "usb")] == [8, 8, 13]
    for plug in PLUGS:
        for row in table_rows(cells, plug):
            assert row["exact ours"] == "25/25"
            assert int(row["noisy percent (95 %)"].split(" ")[0]) % 4 == 0


def test_9_26_two_seeds_are_fifty_runs_and_a_cell_that_was_not_run_is_empty() -> None:
    rows = table_rows(Cells([cell("dsub", "residual_dense", s, noisy=10 + s) for s in (0, 1)]), "dsub")
    named = {r["row"]: r for r in rows}
    assert named["Residual RL, dense"]["noisy ours"] == "21/50" and named["Residual RL, dense"]["seeds"] == "2"
    assert named["P controller"]["noisy ours"] == ""


def test_9_27_every_cell_of_the_matrix_is_run_with_three_seeds() -> None:
    jobs = [j for j in make_jobs(Context("residual", Path(), Path())) if j.part == "tables"]
    assert len(jobs) == len({(j.task, j.row, j.seed) for j in jobs}) == 3 * (8 + 8 + 13)
    assert {j.evals for j in jobs} == {25}


def test_8_26_the_budget_of_a_run_has_samples_seconds_and_seconds_a_sample() -> None:
    rows = budget_rows(Cells([cell("usb", "residual_dense", curve_steps=[4000, 8000], learning_seconds=200.0)]))
    assert (rows[0]["samples"], rows[0]["episodes"], rows[0]["s_per_sample"]) == (8000, 2, 0.025)


def test_8_25_the_spread_of_the_tip_tells_a_wide_search_from_a_narrow_one() -> None:
    rng, spread = np.random.default_rng(0), {}
    for name, width_m in (("rl", 0.02), ("residual", 0.004)):
        log = EpisodeLog([500], [0.0], [True], [0.0], [0])
        spread[name] = _practised(Practice(log, list(width_m * rng.standard_normal((500, 3)))))["tip_spread_mm"]
    for name, width_mm in (("rl", 20.0), ("residual", 4.0)):
        assert spread[name] == pytest.approx([width_mm] * 3, rel=0.1)


def test_9_20_the_rate_of_image_updates_is_judged_at_20_a_second() -> None:
    for seconds, verdict in ((100.0, "holds"), (200.0, "fails")):
        cells = [cell(p, "residual_images_sac", updates=2400, learning_seconds=seconds) for p in PLUGS]
        claim = next(c for c in make_claims(Cells(cells)) if "9.20" in c.claim)
        assert claim.verdict == verdict and f"{2400 / seconds:.0f} updates/s" in claim.ours


def test_a_residual_that_gains_less_than_20_points_on_one_connector_does_not_hold() -> None:
    cells = [cell(p, "controller", noisy=10) for p in PLUGS]
    cells += [cell(p, "residual_dense", noisy=14 if p == "usb" else 20) for p in PLUGS]
    claim = next(c for c in make_claims(Cells(cells)) if c.claim.startswith("residual_dense beats"))
    assert claim.verdict == "partly" and "usb +16" in claim.ours and "dsub +40" in claim.ours


def test_env_speed_takes_its_ratio_turn_by_turn_with_resets() -> None:
    rows = [{"view": "state", "turn": t, "side": side, "steps": 100, "step_wall_s": s * (1 + t), "reset_wall_s": r,
             "step_cpu_s": s, "reset_cpu_s": 0.0}
            for side, s, r in (("ours", 1.0, 0.0), ("robosuite", 4.0, 0.0), ("ours_contact", 2.0, 1.0))
            for t in range(3)]
    fact = summary(rows, "state")
    assert (fact["ratio"], fact["ratio_cpu_time"], fact["ours_contact_steps_s"]) == (4.0, 4.0, 20.0)


def test_the_committed_cells_alone_give_the_committed_claims_and_tables(tmp_path: Path) -> None:
    claims = run(Context("residual", tmp_path, RESULTS / "cells", resume=True, options=("stored",)))
    write_claims(tmp_path / "claims.csv", claims)
    for path in sorted(RESULTS.glob("*.csv")):
        with path.open() as theirs, (tmp_path / path.name).open() as ours:
            assert list(csv.reader(ours)) == list(csv.reader(theirs)), path.name
