"""The graph in simulation, from the one description in priorrl_nodes/bringup.py.

``ros2 launch priorrl sim.launch.py connector:=europlug``; ``--show-args`` lists the arguments.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from priorrl_core.cli.paths import checkpoint_path, new_run
from priorrl_core.config import config_dir
from priorrl_nodes.bringup import NodeSpec, Options, describe

DEFAULTS = Options(connector="europlug", checkpoint="demo")
MEANING = {
    "connector": "name of `priorrl connectors`, or a YAML file",
    "checkpoint": "what practice starts from: a folder, or a packaged name",
    "run_dir": "where episodes go; empty: a new folder in runs/",
    "pace": "lockstep (as fast as it goes) or wall (real time)",
    "operator": "who re-arms the safety gate: simulated or person",
    "ground_truth": "publish what only evaluation may read",
    "view": "live picture in the browser",
}


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(f.name, default_value=_text(getattr(DEFAULTS, f.name)),
                              description=MEANING.get(f.name, f.name))
        for f in fields(Options)
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[LifecycleNode]:
    values = {f.name: LaunchConfiguration(f.name).perform(context) for f in fields(Options)}
    values["checkpoint"] = str(checkpoint_path(values["checkpoint"]))
    values["run_dir"] = values["run_dir"] or str(new_run(Path("runs"), "launch"))
    typed = {name: _typed(text, getattr(DEFAULTS, name)) for name, text in values.items()}
    return [_node(spec) for spec in describe(Options(**typed))]


def _node(spec: NodeSpec) -> LifecycleNode:
    """The node's process, started again when it dies; it configures and activates itself (`autostart`)."""
    file = config_dir() / "nodes" / f"{spec.name}.yaml"
    return LifecycleNode(
        package="priorrl", executable=spec.module.rpartition(".")[2], name=spec.name, namespace="",
        parameters=[*([str(file)] if file.is_file() else []), spec.parameters],
        arguments=list(spec.arguments), additional_env=spec.env, output="screen",
        respawn=spec.required, respawn_delay=1.0,
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(text: str, default: Any) -> Any:
    """``text`` as the type of ``default``."""
    if isinstance(default, bool):
        return text.lower() in ("true", "1", "yes", "on")
    return type(default)(text)
