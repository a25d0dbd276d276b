"""What CMakeLists.txt installs works away from the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = Path(sys.prefix) / "ros_ws"
SOURCES = (
    "package.xml",
    "config",
    "launch",
    "urdf",
    "weights",
    "msg",
    "srv",
    "action",
    "scripts",
    "priorrl_core",
    "priorrl_nodes",
)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a user's colcon installs it: the build of `make setup`, the sources as real files.

    `make setup` shows CMake the sources through links, which it would install as links.
    """
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("install")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    rules = (WORKSPACE / "build" / "priorrl" / "cmake_install.cmake").read_text()
    script = source / "install.cmake"
    script.write_text(rules.replace(str(WORKSPACE / "src" / "priorrl"), str(source)))
    command = ["cmake", f"-DCMAKE_INSTALL_PREFIX={folder}", "-P", str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_data_and_scripts_are_installed(prefix: Path) -> None:
    share = prefix / "share" / "priorrl"
    for folder in ("config", "urdf", "launch", "msg", "srv", "action"):
        origin = {p.name for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        assert origin and origin <= {p.name for p in (share / folder).resolve().rglob("*")}, folder
    assert (share / "package.xml").is_file()
    scripts = {p.name for p in (prefix / "lib" / "priorrl").iterdir() if os.access(p, os.X_OK)}
    assert {"simulator", "safety_gate", "controller", "trainer", "priorrl"} <= scripts
    assert os.access(prefix / "bin" / "priorrl", os.X_OK)


def test_installed_package_finds_its_code_data_and_interfaces(prefix: Path) -> None:
    site = next(prefix.glob("lib/python3*/site-packages"))
    code = (
        "import priorrl, priorrl_core, priorrl_core.config as c, priorrl.msg, priorrl_nodes.qos;"
        "print(priorrl.__file__, priorrl_core.__file__, c.config_dir())"
    )
    kept = [p for p in os.environ["PYTHONPATH"].split(":") if p != str(ROOT) and "ros_ws" not in p]
    libs = [str(prefix / "lib"), *(p for p in os.environ["LD_LIBRARY_PATH"].split(":") if "ros_ws" not in p)]
    environment = {
        **os.environ,
        "PYTHONPATH": ":".join([str(site), *kept]),
        "LD_LIBRARY_PATH": ":".join(libs),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=prefix, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(prefix)) for path in done.stdout.split()), done.stdout
