"""The set-up: quick when repeated, and a failure names the thing and the fix."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DISTRO = os.environ.get("ROS_DISTRO", "jazzy")
VENV = ROOT / (".venv" if DISTRO == "jazzy" else ".venv-kilted")
BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/tmp")}
ROS_NAMES = ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "ROS_DISTRO", "PATH")


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Bash in a bare environment, outside the repository."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd="/",
        env={**BARE, **environment},
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def small_tree(folder: Path) -> Path:
    """What setup.sh needs of the repository, without a virtual environment."""
    (folder / "scripts").mkdir(parents=True)
    for name in ("setup.sh", "env.sh"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts" / name)
    return folder


def test_second_setup_takes_under_10_s() -> None:
    start = time.monotonic()
    done = shell(f"make -C {ROOT} --no-print-directory setup ROS_DISTRO={DISTRO}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and time.monotonic() - start < 10.0


def test_unknown_distribution_is_named() -> None:
    done = shell(f"make -C {ROOT} setup ROS_DISTRO=humble")
    assert done.returncode != 0
    assert "unknown ROS_DISTRO 'humble'; use jazzy or kilted" in done.stderr


def test_missing_python_names_the_fix(tmp_path: Path) -> None:
    tree, tools = small_tree(tmp_path / "tree"), tmp_path / "bin"
    tools.mkdir()
    for name in (
        "bash",
        "cat",
        "dirname",
        "sha256sum",
        "cut",
        "g++",
        "cmake",
        "make",
        "flock",
        "mkdir",
        "rm",
    ):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    done = shell(f"{tree}/scripts/setup.sh", PATH=str(tools))
    assert done.returncode == 1
    assert "no Python 3.11 or 3.12 found" in done.stderr and "apt install" in done.stderr


def test_missing_compiler_names_the_fix(tmp_path: Path) -> None:
    tree, tools = small_tree(tmp_path / "tree"), tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "flock"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    done = shell(f"{tree}/scripts/setup.sh", PATH=str(tools))
    assert done.returncode == 1
    assert "'g++' is not installed" in done.stderr and "apt install g++" in done.stderr


def test_environment_without_setup_says_so(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    done = shell(f". {tree}/scripts/env.sh")
    assert done.returncode == 1 and "run 'make setup" in done.stderr


def test_environment_twice_is_environment_once() -> None:
    show = "; ".join(f'echo "${name}"' for name in ROS_NAMES)
    source = f". {ROOT}/scripts/env.sh"
    once = shell(f"{source}; {show}", ROS_DISTRO=DISTRO)
    twice = shell(f"{source}; {source}; {show}", ROS_DISTRO=DISTRO)
    assert once.returncode == 0 and once.stdout == twice.stdout


def test_environment_drops_an_apt_installation() -> None:
    done = shell(
        f'. {ROOT}/scripts/env.sh; echo "$PYTHONPATH:$LD_LIBRARY_PATH:$AMENT_PREFIX_PATH"',
        ROS_DISTRO=DISTRO,
        PYTHONPATH="/opt/ros/jazzy/lib/python3.12/site-packages:/mine",
        LD_LIBRARY_PATH="/opt/ros/jazzy/lib",
        AMENT_PREFIX_PATH="/opt/ros/jazzy",
    )
    assert "/opt/ros" not in done.stdout and "/mine" in done.stdout


def test_launcher_needs_no_sourcing() -> None:
    done = shell(f"{VENV}/bin/priorrl --help")
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


@pytest.mark.ros
def test_interfaces_and_source_tree_are_importable() -> None:
    code = (
        "import priorrl.msg, priorrl.srv, priorrl.action, priorrl_core, priorrl_nodes.qos, pathlib;"
        "print(pathlib.Path(priorrl_core.__file__).parent.parent)"
    )
    done = shell(f". {ROOT}/scripts/env.sh && python -c '{code}'", ROS_DISTRO=DISTRO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(ROOT)


def test_wheels_name_no_folder_of_their_builder() -> None:
    share = Path(sys.prefix) / "share"
    bad = [p for p in share.glob("*/cmake/*.cmake") if "/opt/python/" in p.read_text()]
    assert not bad
