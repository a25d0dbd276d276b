"""package.xml, setup.py, setup.cfg, CMakeLists.txt and the locks say the same."""

from __future__ import annotations

import configparser
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from priorrl_nodes.bringup import Options, describe

ROOT = Path(__file__).resolve().parents[2]
DISTROS = ("jazzy", "kilted")
COPIED = (
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "package.xml",
    "README.md",
    "config",
    "launch",
    "urdf",
    "priorrl_core",
    "priorrl_nodes",
)


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def entry_points() -> dict[str, str]:
    lines = setup_cfg()["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines)


def locked(distro: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{distro}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_package_xml_is_valid() -> None:
    catkin = importlib.import_module("catkin_pkg.package")
    package = catkin.parse_package(str(ROOT))
    warnings: list[str] = []
    package.validate(warnings)
    assert not warnings
    assert package.name == "priorrl" and package.licenses == ["Apache-2.0"]
    assert {"rosidl_interface_packages"} == {g.name for g in package.member_of_groups}


def test_cmake_finds_what_package_xml_declares() -> None:
    catkin = importlib.import_module("catkin_pkg.package")
    package = catkin.parse_package(str(ROOT))
    declared = {d.name for d in package.buildtool_depends + package.build_depends}
    found = set(re.findall(r"find_package\((\w+)", (ROOT / "CMakeLists.txt").read_text()))
    assert found == declared


def test_interfaces_use_declared_packages_only() -> None:
    catkin = importlib.import_module("catkin_pkg.package")
    declared = {d.name for d in catkin.parse_package(str(ROOT)).build_depends}
    used = set()
    for path in [*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv"), *ROOT.glob("action/*.action")]:
        used |= set(re.findall(r"^(\w+)/\w+", path.read_text(), re.MULTILINE))
    assert used <= declared


def test_every_console_script_exists() -> None:
    for target in entry_points().values():
        module, name = target.split(":")
        assert callable(getattr(importlib.import_module(module), name)), target


def test_every_node_of_bringup_is_a_console_script() -> None:
    modules = {spec.module for spec in describe(Options())}
    assert modules <= {target.split(":")[0] for target in entry_points().values()}


@pytest.mark.parametrize("distro", DISTROS)
def test_lock_pins_everything(distro: str) -> None:
    lock = locked(distro)
    assert lock["torch"] == "2.13.0" and lock["pybullet"] == "3.2.7"
    assert all(re.fullmatch(r"[0-9][0-9a-zA-Z.]*", version) for version in lock.values())
    required = {line.lower() for line in setup_cfg()["options"]["install_requires"].split()}
    assert required <= set(lock)
    assert f"ros-{distro}-rclpy" in lock


def test_locks_differ_in_ros_alone() -> None:
    one, other = ({k: v for k, v in locked(d).items() if not k.startswith("ros-")} for d in DISTROS)
    assert one == other


def test_no_file_names_a_registry_host() -> None:
    hosts = re.compile(
        "|".join(
            (
                "pypi" + r"\.org",
                "pythonhosted" + r"\.org",
                "download\\.py" + "torch",
                "npm" + "js\\.",
                "anaconda" + r"\.(org|com)",
            )
        )
    )
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and path.suffix in {
            "",
            ".py",
            ".md",
            ".toml",
            ".cfg",
            ".txt",
            ".in",
            ".sh",
            ".yaml",
            ".xml",
        }:
            assert not hosts.search(path.read_text(errors="ignore")), name


def test_pip_installs_code_data_and_one_command(tmp_path: Path) -> None:
    source, prefix = tmp_path / "source", tmp_path / "prefix"
    source.mkdir()
    for name in COPIED:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif origin.is_file():
            shutil.copy(origin, source / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-qq",
        "--no-deps",
        "--no-build-isolation",
        "--ignore-installed",
        "--prefix",
        str(prefix),
        str(source),
    ]
    away = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}  # pip must not see the colcon build
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=away)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [p.name for p in (prefix / "bin").iterdir()] == ["priorrl"]
    for folder in ("config", "launch", "urdf"):
        expected = {
            p.relative_to(source)
            for p in (source / folder).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        share = prefix / "share" / "priorrl"
        assert expected == {
            p.relative_to(share) for p in (share / folder).rglob("*") if p.suffix != ".pyc" and p.is_file()
        }
    site = next(prefix.glob("lib/python3*/site-packages"))
    assert (site / "priorrl_core" / "config.py").is_file() and (site / "priorrl_nodes" / "qos.py").is_file()
    version = re.search(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
    assert version and list(site.glob(f"priorrl-{version[1]}*-info"))
