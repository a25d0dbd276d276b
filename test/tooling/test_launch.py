"""launch/*.launch.py start what bringup.py says. `launch` is not among the wheels: stand-ins record it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from priorrl_nodes.bringup import Options, describe

ROOT = Path(__file__).resolve().parents[2]


class Recorded:
    """Keeps what it was made with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class Configuration(Recorded):
    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, members in {
        "launch": ("LaunchContext", "LaunchDescription"),
        "launch.actions": ("DeclareLaunchArgument", "OpaqueFunction"),
        "launch.substitutions": (),
        "launch_ros": (),
        "launch_ros.actions": ("LifecycleNode",),
    }.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, Recorded)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["launch.substitutions"].LaunchConfiguration = Configuration  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("sim_launch", ROOT / "launch" / "sim.launch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def started(module: ModuleType, **given: str) -> list[SimpleNamespace]:
    """The nodes that `ros2 launch priorrl sim.launch.py name:=value ...` would start."""
    *declared, function = module.generate_launch_description().args[0]
    values = {d.args[0]: d.kwargs["default_value"] for d in declared} | given
    return [SimpleNamespace(**node.kwargs) for node in function.kwargs["function"](values)]


def test_launch_starts_the_graph_of_bringup(
    launch_file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_file, "checkpoint_path", lambda text: Path("/weights") / text)
    nodes = started(launch_file, run_dir=str(tmp_path), seed="3", view="false", ground_truth="false")
    expected = describe(
        Options(
            connector="europlug",
            checkpoint="/weights/demo",
            run_dir=str(tmp_path),
            seed=3,
            view=False,
            ground_truth=False,
        )
    )
    assert [n.name for n in nodes] == [s.name for s in expected]
    for node, spec in zip(nodes, expected, strict=True):
        assert node.package == "priorrl" and node.parameters[-1] == spec.parameters
        assert node.additional_env == spec.env and node.respawn


def test_every_argument_has_a_meaning(launch_file: ModuleType) -> None:
    *declared, _ = launch_file.generate_launch_description().args[0]
    assert all(d.kwargs["description"] for d in declared)


def test_unknown_driver_is_named(launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_file, "checkpoint_path", Path)
    with pytest.raises(Exception, match="unknown driver 'simulater'"):
        started(launch_file, driver="simulater", run_dir="/tmp")
