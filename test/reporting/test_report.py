"""A run folder becomes one page that needs no other file, and a summary with the promised keys."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from priorrl_core.cli.main import main
from priorrl_core.errors import DataError
from priorrl_core.reporting.build import build_report
from priorrl_core.reporting.run_folder import read_run
from priorrl_core.reporting.run_summary import summarise
from priorrl_core.reporting.svg import Line, line_chart, ticks


def test_10_33_confusion_of_the_reward_is_kept_apart_from_success(run_folder: Path) -> None:
    """Row 10.33: success is the simulator's; the reward's verdicts are counted against it."""
    record = read_run(run_folder)
    assert record.confusion(record.stage("practice")) == (1, 1, 0, 1)
    assert record.tally("practice").successes == 1 and record.tally("offline").fraction == 0.5
    assert len(record.stage("practice")) == 3  # the one that was not closed does not count


def test_withheld_ground_truth_is_no_success_and_no_failure(run_folder: Path) -> None:
    (run_folder / "ground_truth.jsonl").unlink()
    record = read_run(run_folder)
    assert record.tally("online").trials == 0 and record.tally("online").fraction is None
    assert "withheld" in build_report(run_folder).read_text()


def test_summary_has_the_promised_keys(run_folder: Path) -> None:
    out = summarise(run_folder, "europlug", 3, 100.0, {"base": 1.0, "practice": 4.0, "online": 1.0}, 512.0)
    assert {
        "connector",
        "seed",
        "base_success",
        "offline_success",
        "online_success",
        "practice_trials",
        "seconds",
        "env_steps_per_s",
        "updates_per_s",
        "peak_memory_mb",
    } <= set(out)
    assert (out["base_success"], out["offline_success"], out["online_success"]) == (0.0, 0.5, 1.0)
    assert out["practice_trials"] == 3 and out["updates_per_s"] == 10.0 and out["env_steps_per_s"] == 30.0
    assert out["online_trials"] == {"successes": 2, "trials": 2}
    json.dumps(out, allow_nan=False)


def test_the_page_is_self_contained(run_folder: Path) -> None:
    text = build_report(run_folder).read_text()
    assert text.count("<svg") >= 6 and text.count("data:image/png;base64,") >= 3
    assert not re.findall(r'(?:src|href)="(?!data:)', text) and "<script" not in text
    assert "inserts 2 of 2" in text and "reward says yes" in text


def test_a_missing_episode_file_is_named_on_the_page(run_folder: Path) -> None:
    (run_folder / "episodes" / "practice-online-I-s0-0000.mcap").unlink()
    assert "practice-online-I-s0-0000.mcap" in build_report(run_folder).read_text()


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="index.jsonl"):
        read_run(tmp_path)


def test_names_from_files_are_escaped(run_folder: Path) -> None:
    (run_folder / "config.json").write_text(json.dumps({"connector": "<b>x</b>"}))
    assert "<b>x</b>" not in build_report(run_folder).read_text()


def test_report_verb(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run_folder), "--json"]) == 0
    out = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert Path(out["report"]).is_file() and out["success"]["online"] == 1.0


def test_chart_of_nothing_and_of_gaps() -> None:
    assert "no data" in line_chart("t", [Line("a", [], [])], "x", "y")
    assert (
        line_chart("t", [Line("a", [0, 1, 2, 3, 4], [1, 2, float("nan"), 2, 1])], "x", "y").count("<polyline")
        == 2
    )


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 200.0), (-3.0, 7.5), (0.0, 0.0)])
def test_ticks_lie_inside(low: float, high: float) -> None:
    values = ticks(low, high)
    assert values and all(low - 1e-9 <= v <= high + 1e-9 for v in values) and len(values) <= 11


def test_reward_report_has_what_the_issue_asks(tmp_path: Path) -> None:
    """Accuracy, precision, recall, calibration, false positives per 100 trials, the worst images."""
    from priorrl_core.reporting.reward_report import report_reward
    from priorrl_core.rewards.classifier import RewardModel
    from priorrl_core.rewards.config import load_reward_config
    from priorrl_core.rewards.network import build_networks
    from test.cli.conftest import synthetic_prior

    config = load_reward_config("daib")
    model = RewardModel([build_networks(config, 2, 0)[0]], config)
    out = report_reward(model, synthetic_prior(), tmp_path)
    stored = json.loads((tmp_path / "reward_report.json").read_text())["unseen"]
    assert {
        "accuracy",
        "precision",
        "recall",
        "calibration_error",
        "trials_with_a_false_positive_per_100",
    } <= set(stored)
    assert out["threshold"] == model.threshold and (tmp_path / "reward_worst.png").stat().st_size > 100
    page = (tmp_path / "reward_report.html").read_text()
    assert "Calibration" in page and "Confusion" in page and "data:image/png" in page
