"""Pages point at things that exist, and the reference is that of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from priorrl_core.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_named_commands_exist(page: Path) -> None:
    text = page.read_text()
    for verb in re.findall(r"(?:^|`|/)priorrl ([a-z]+)", text, re.MULTILINE):
        assert verb in VERBS, f"{page.name}: priorrl {verb}"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert target in targets, f"{page.name}: make {target}"


def test_robot_requirements_are_the_locked_versions() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return {line for line in lines if "==" in line}

    assert pins("robot.txt") <= pins("jazzy.txt")
    locked = {line.split("==")[0] for line in pins("jazzy.txt")}
    assert {line for line in pins("data.txt") if line.split("==")[0] in locked} <= pins("jazzy.txt")


def test_reference_is_that_of_the_code() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_reference.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"run 'make docs': {done.stdout}{done.stderr[-1000:]}"
