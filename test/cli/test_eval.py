"""``priorrl eval``: works for any YAML file, judged by ground truth, the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from priorrl_core.cli.main import main

ROOT = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["eval", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_yaml_file_of_the_user(checkpoint: Path, in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "config/connectors/europlug.yaml").read_text().replace("name: europlug", "name: my_plug")
    (in_tmp / "my_plug.yaml").write_text(text)
    words = ("--connector", "my_plug.yaml", "--checkpoint", str(checkpoint), "--trials", "2", "--seed", "3")
    first, second = run(capsys, *words), run(capsys, *words)
    assert first["connector"] == "my_plug" and first["trials"] == 2 and 0.0 <= first["success"] <= 1.0
    assert sum(first["reward_confusion"].values()) == 2
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


@pytest.mark.parametrize("policy", ["base", "localize", "spiral_search"])
def test_other_policies_in_scenario_two(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    out = run(
        capsys,
        "--connector",
        "xlr",
        "--checkpoint",
        str(checkpoint),
        "--trials",
        "1",
        "--policy",
        policy,
        "--scenario",
        "II",
    )
    assert out["policy"] == policy and out["scenario"] == "II"


@pytest.mark.parametrize("name", ["agent.safetensors", "reward.safetensors", "offline_cache.safetensors"])
def test_a_truncated_checkpoint_is_named(
    copy_of_checkpoint: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = copy_of_checkpoint / name
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["eval", "--connector", "xlr", "--checkpoint", str(copy_of_checkpoint)]) == 2
    error = capsys.readouterr().err
    assert name in error and "truncated" in error and len(error.strip().splitlines()) == 1


def test_a_checkpoint_without_a_localiser(
    copy_of_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy_of_checkpoint / "localize.safetensors").unlink()
    manifest = json.loads((copy_of_checkpoint / "manifest.json").read_text())
    del manifest["files"]["localize.safetensors"]
    (copy_of_checkpoint / "manifest.json").write_text(json.dumps(manifest))
    words = ["eval", "--connector", "xlr", "--checkpoint", str(copy_of_checkpoint), "--policy", "localize"]
    assert main(words) == 2
    assert "needs a localiser" in capsys.readouterr().err
