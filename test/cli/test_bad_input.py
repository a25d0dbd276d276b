"""Every bad input gets one sentence on standard error and exit status 2, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from priorrl_core.cli.main import main

GOOD_YAML = (Path(__file__).parents[2] / "config" / "connectors" / "europlug.yaml").read_text()

CASES = [
    (["demmo"], "did you mean 'demo'"),
    (["connectors", "europlgu"], "did you mean 'europlug'"),
    (["connectors", "--splt", "train"], "did you mean '--split'"),
    (["connectors", "--split", "trian"], "did you mean 'train'"),
    (["connectors", "a", "b"], "unexpected argument 'b'"),
    (["connectors", "missing.yaml"], "cannot read 'missing.yaml'"),
    (["connectors", "unknown_key.yaml"], "did you mean 'family'"),
    (["connectors", "nan.yaml"], "clearance_mm"),
    (["connectors", "not_yaml.yaml"], "is not valid YAML"),
    (["connectors", "--seed", "minus"], "not a whole number"),
    (["connectors", "--seed", "-1"], "out of range"),
    (["eval", "--connector", "europlgu", "--checkpoint", "demo"], "did you mean 'europlug'"),
    (["eval", "--connector", "europlug", "--checkpoint", "no_such"], "no_such"),
    (["eval", "--connector", "europlug", "--checkpoint", "empty_folder"], "not a checkpoint"),
    (["eval", "--connector", "europlug", "--scenario", "III"], "did you mean 'II'"),
    (["eval", "--checkpoint", "demo"], "--connector"),
    (["eval", "--connector", "europlug", "--trials", "0"], "out of range"),
    (["finetune", "--connector", "europlgu"], "did you mean 'europlug'"),
    (["finetune", "--connector", "europlug", "--trials", "201"], "out of range"),
    (["train", "--data", "no_data", "--out", "x"], "no_data"),
    (["train", "--data", "empty_folder", "--out", "x", "--method", "daib_iqk"], "did you mean 'daib_iql'"),
    (["collect", "--out", "x", "--connectors", "europlug,nema_51"], "did you mean 'nema_15'"),
    (["collect", "--out", "a_file"], "a_file"),
    (["bench", "insertoin"], "did you mean 'insertion'"),
    (["data", "show", "no_data"], "'no_data' does not exist"),
    (["data", "show", "empty_folder"], "cannot tell the format"),
    (["report", "no_run"], "no run folder 'no_run'"),
    (["report", "empty_folder"], "holds no index.jsonl"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "a_file").write_text("x")
    (tmp_path / "unknown_key.yaml").write_text(GOOD_YAML.replace("family:", "famly:"))
    (tmp_path / "nan.yaml").write_text(GOOD_YAML.replace("clearance_mm: 0.75", "clearance_mm: .nan"))
    (tmp_path / "not_yaml.yaml").write_text("name: [")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("words", "part"), CASES, ids=[" ".join(w) for w, _ in CASES])
def test_one_sentence_and_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("priorrl: ") and part in lines[0], lines[0]
    assert "Traceback" not in captured.err and captured.out == ""


def test_an_error_with_json_still_ends_in_one_object(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connectors", "europlgu", "--json"]) == 2
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert json.loads(last)["status"] == 2


def test_a_path_without_rights_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_args: object) -> int:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("priorrl_core.cli.connectors.run", refuse)
    assert main(["connectors"]) == 2
    assert "somewhere" in capsys.readouterr().err
