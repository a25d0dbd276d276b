"""The command line itself: help, JSON, Ctrl-C, and that nothing heavy is imported before a verb runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from priorrl_core.cli.main import VERBS, main
from priorrl_core.cli.output import plain


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_is_short_and_has_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"priorrl {verb}" in text.split("examples:")[1]
    assert len(text.splitlines()) < 60 and "--seed" in text and "--json" in text


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in VERBS) and "examples:" in text


def test_json_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connectors", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["connectors"]
    assert {"name", "family", "split"} <= set(rows[0]) and len(rows) >= 50


def test_a_split_never_shares_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connectors", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["connectors"]
    train, held = ({r["family"] for r in rows if r["split"] == s} for s in ("train", "held-out"))
    assert train and held and not train & held


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("priorrl_core.cli.connectors.run", stop)
    assert main(["connectors"]) == 130
    assert "saved" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from priorrl_core.cli.main import main, VERBS\n"
        "for v in VERBS: main([v, '--help'])\n"
        "bad = {'torch', 'pybullet', 'rclpy', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


def test_plain_turns_not_a_number_into_null() -> None:
    assert plain({"a": float("nan"), "b": [float("inf"), 1.5], "c": (True, None)}) == {
        "a": None,
        "b": [None, 1.5],
        "c": [True, None],
    }
