"""The bench harness: claims, stored cells, tables of the thesis, folds without leaks."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import BENCHES  # noqa: E402
from bench.harness import Claim, Context, results_dir, run_cells, verdict, write_claims  # noqa: E402
from bench.insertion import key, make_jobs  # noqa: E402
from bench.insertion_claims import make_claims  # noqa: E402
from bench.insertion_tables import CONNECTORS, DEVELOPMENT, TEST, THESIS, Table, ablation_rows, thesis_rows  # noqa: E402
from bench.reward import claims as reward_claims  # noqa: E402
from bench.reward import make_folds  # noqa: E402
from priorrl_core.cli.main import main  # noqa: E402
from priorrl_core.tasks.connectors import load_connector  # noqa: E402
from priorrl_core.tasks.task import load_task  # noqa: E402


def double(number: int) -> dict[str, int]:
    return {"value": 2 * number}


def context(folder: Path, **more: object) -> Context:
    return Context(name="x", out=folder, cells=folder / "cells", processes=1, **more)  # type: ignore[arg-type]


def test_resume_keeps_finished_cells(tmp_path: Path) -> None:
    jobs = [("a", 1), ("b", 2)]
    assert [c["value"] for c in run_cells(context(tmp_path), jobs, double)] == [2, 4]
    (tmp_path / "cells" / "a.json").write_text('{"value": 99}')
    assert [c["value"] for c in run_cells(context(tmp_path, resume=True), jobs, double)] == [99, 4]
    assert [c["value"] for c in run_cells(context(tmp_path), jobs, double)] == [2, 4]


def test_claims_csv_has_the_columns_of_the_issue(tmp_path: Path) -> None:
    write_claims(tmp_path / "claims.csv", [Claim("a, b", "s", "1", "2", 3, "partly")])
    rows = list(csv.reader((tmp_path / "claims.csv").open()))
    assert rows == [
        ["claim", "source", "theirs", "ours", "seeds", "verdict"],
        ["a, b", "s", "1", "2", "3", "partly"],
    ]


def test_verdicts() -> None:
    assert [verdict(g, 4) for g in (4, 3, 1, 0)] == ["holds", "partly", "partly", "fails"]


def test_a_quick_run_never_replaces_a_full_one(tmp_path: Path) -> None:
    base = tmp_path / "bench" / "results" / "x"
    assert results_dir("x", True, tmp_path) == base
    base.mkdir(parents=True)
    (base / "run.json").write_text('{"quick": false}')
    assert results_dir("x", True, tmp_path) == base / "quick" and results_dir("x", False, tmp_path) == base


def cells(online: int, ablated: int) -> list[dict]:
    out = []
    for scenario in ("I", "II"):
        for connector in CONNECTORS:
            common = {"connector": connector, "scenario": scenario, "seed": 0, "eval_trials": 50}
            out += [
                {**common, "method": m, "practice_trials": 0, "successes": 3}
                for m in ("localize", "straight_down", "random_search", "spiral_search", "base")
            ]
            out.append(
                {
                    **common,
                    "method": "daib_daib",
                    "practice_trials": 200,
                    "offline_successes": 5,
                    "online_successes": online,
                }
            )
            out += [
                {
                    **common,
                    "method": m,
                    "practice_trials": 200,
                    "offline_successes": 0,
                    "online_successes": ablated,
                }
                for m in ("daib_none", "none_none")
                if scenario == "II"
            ]
    return out


def test_10_27_tables_have_the_rows_and_columns_of_the_thesis() -> None:
    """Row 10.27: 4 connectors x 6 columns (and the base controller) in I and II, 12 ablation rows; twice,
    for the connectors of the test and for those of the thesis's names, on which settings were chosen."""
    table = Table.of(cells(45, 10), "II")
    rows = {r["connector"]: r for r in thesis_rows(table)}
    assert list(rows) == [*TEST, "sum (test)", *DEVELOPMENT, "sum (development)"]
    assert rows["dt12"]["online thesis"] == "18/20" and rows["dt12"]["online ours"] == "45/50"
    last = rows["sum (development)"]
    assert last["online thesis"] == "70/80" and last["spiral_search thesis"] == "17/80"
    assert rows["sum (test)"]["online ours"] == "180/200" and not rows["sum (test)"]["online thesis"]
    assert len(ablation_rows(table)) == 24
    assert sum(v["online"] for v in THESIS["I"].values()) == 65


def test_10_28_claims_follow_the_counts() -> None:
    """Rows 10.28 and 10.29: the verdicts turn with the figures."""
    good = {c.claim: c.verdict for c in make_claims(*(Table.of(cells(45, 10), s) for s in ("I", "II")))}
    bad = {c.claim: c.verdict for c in make_claims(*(Table.of(cells(6, 50), s) for s in ("I", "II")))}
    assert set(good.values()) == {"holds"} and good.keys() == bad.keys()
    flipped = [c for c in good if bad[c] == "fails"]
    assert len(flipped) >= len(good) - 3  # what is said of base and offline alone does not depend on it


def test_a_claim_about_all_connectors_does_not_hold_for_one() -> None:
    one = [c for c in cells(45, 10) if c["connector"] == "uk_g"]
    claims = make_claims(*(Table.of(one, s) for s in ("I", "II")))
    assert all(c.verdict != "holds" for c in claims if "every connector" in c.claim)


def test_the_insertion_bench_asks_for_what_the_issue_asks(checkpoint: Path, tmp_path: Path) -> None:
    jobs = make_jobs(context(tmp_path, checkpoint=str(checkpoint), options=("ours", "baselines")))
    ours = [j for j in jobs if j.method == "daib_daib"]
    assert len(ours) == 4 * 3 * 2 and {j.eval_trials for j in jobs} == {50} and ours[0].practice_trials == 200
    assert {load_connector(j.connector).family for j in jobs} <= set(load_task().held_out_families)
    assert not {load_connector(j.connector).family for j in jobs} & set(load_task().development_families)
    assert len({key(j) for j in jobs}) == len(jobs) == 24 + 4 * 3 * 2 * 5


def test_10_12_folds_never_share_a_family() -> None:
    """Row 10.12: 25 train and 5 held-out connectors of other families, different ones from run to run."""
    folds = make_folds(10, 0)
    for fold in folds:
        train, test = ({load_connector(n).family for n in names} for names in (fold.train, fold.test))
        assert not train & test and len(fold.test) == 5 and len(fold.train) == 25
    assert len({f.test for f in folds}) > 5 and len({f.train for f in folds}) == 10


def test_reward_claims_need_the_interval() -> None:
    def cell(method: str, fold: int, accuracy: float) -> dict:
        return {"method": method, "fold": fold, "accuracy": accuracy}

    names = ("daib", "vib", "daib_lambda0", "erm", "dann")
    sure = [cell(m, f, 0.95 - 0.05 * i) for i, m in enumerate(names) for f in range(5)]
    assert {c.verdict for c in reward_claims(sure)} == {"holds"}
    noisy = [cell(m, f, 0.9 + (0.05 if m == "daib" and f == 0 else 0.0)) for m in names for f in range(5)]
    assert {c.verdict for c in reward_claims(noisy) if "better" in c.claim} == {"partly"}


@pytest.mark.parametrize("name", BENCHES)
def test_every_registered_bench_can_be_imported(name: str) -> None:
    import importlib

    assert callable(importlib.import_module(BENCHES[name][0]).run)


def test_the_verb_writes_claims_and_json(
    checkpoint: Path, in_tmp: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench.insertion

    monkeypatch.setattr(bench.insertion, "run", lambda c: [Claim("x", "s", "1", "2", 1, "holds")])
    monkeypatch.setattr("bench.harness.results_dir", lambda name, quick: in_tmp / "results")
    assert main(["bench", "insertion", "--quick", "--json"]) == 0
    out = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert out["verdicts"] == {"holds": 1} and (in_tmp / "results" / "claims.csv").is_file()
