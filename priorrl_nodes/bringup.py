"""The one description of the graph: launch files and ``priorrl up`` (supervisor) read it. No rclpy here."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from priorrl_core.config import config_dir
from priorrl_core.errors import ConfigError, nearest
from priorrl_core.tasks.kinds import TaskKind, load_kind

Parameters = dict[str, bool | int | float | str]


@dataclass(frozen=True)
class NodeSpec:
    """One node, one process."""

    name: str
    module: str
    parameters: Parameters
    required: bool = True
    """False: the graph works without it (views); it is given up when it cannot start."""
    torch: bool = False
    env: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    """TCP ports that it listens on."""
    arguments: tuple[str, ...] = ()
    """Words of the command line before the ROS arguments."""


@dataclass(frozen=True)
class Options:
    """What a user says when the graph is started."""

    connector: str = ""
    checkpoint: str = ""
    run_dir: str = ""
    seed: int = 0
    robot: str = "sawyer"
    task: str = "insertion"
    method: str = ""
    driver: str = "simulator"
    """Who has the arm: simulator, sawyer_driver or gazebo's own bridge (none)."""
    pace: str = "lockstep"
    operator: str = "simulated"
    ground_truth: bool = True
    view: bool = True
    observation: str = "position"
    """What the policy of a plug task sees: position or image."""
    reward: str = ""
    """Mode of the reward node; empty: the task's own."""

    def __post_init__(self) -> None:
        if self.driver not in DRIVERS:
            raise ConfigError(f"unknown driver '{self.driver}'{nearest(self.driver, DRIVERS)}")


DRIVERS = ("simulator", "sawyer_driver", "none")
VIEW_PORTS = (9090, 9876)


def describe(options: Options) -> list[NodeSpec]:
    """All nodes of the graph, the safety gate first."""
    o = options
    pace = "wall" if o.driver != "simulator" else o.pace
    kind = load_kind(o.task, o.connector, o.observation)
    if o.reward and o.reward not in kind.rewards:
        raise ConfigError(f"reward '{o.reward}' does not fit task '{kind.name}'{nearest(o.reward, kind.rewards)}")
    if kind.residual:
        return _residual(o, kind, pace)
    nodes = [
        _node("safety_gate", robot=o.robot, pace=pace, run_dir=o.run_dir),
        *_driver(o),
        _node("controller", robot=o.robot, task=o.task),
        _node("perception", torch=True, checkpoint=o.checkpoint),
        _node("reward", torch=True, checkpoint=o.checkpoint, mode=o.reward or kind.rewards[0]),
        _node("goal_proposer", torch=True, checkpoint=o.checkpoint, connector=o.connector, task=o.task),
        _trainer(o),
        _node("recorder", run_dir=o.run_dir, task=o.task),
        _node("episode_manager", task=o.task, connector=o.connector, run_dir=o.run_dir, operator=o.operator),
    ]
    return [*nodes, _node("viewer", required=False, ports=VIEW_PORTS)] if o.view else nodes


def _residual(o: Options, kind: TaskKind, pace: str) -> list[NodeSpec]:
    """A task of chapter 8 or 9: natural reward, TD3 or SAC; perception only where the policy sees images."""
    if o.observation == "image":
        raise ConfigError("the graph learns from observation 'position' alone; for images use the Gymnasium "
                          "environment make_plug(view='image')")
    task, connector, seen = o.task, o.connector, o.observation
    nodes = [
        _node("safety_gate", robot=o.robot, pace=pace, run_dir=o.run_dir),
        *_driver(o),
        _node("controller", robot=o.robot, task=task, connector=connector, observation=seen),
        _node("reward", task=task, connector=connector, mode=o.reward or kind.rewards[0]),
        _node("goal_proposer", robot=o.robot, task=task, connector=connector),
        _node("trainer", torch=True, task=task, connector=connector, observation=seen, run_dir=o.run_dir,
              seed=o.seed, method=o.method or "td3"),
        _node("recorder", run_dir=o.run_dir, task=task, connector=connector),
        _node("episode_manager", task=task, connector=connector, observation=seen, run_dir=o.run_dir,
              operator=o.operator),
    ]
    return [*nodes, _node("viewer", required=False, ports=VIEW_PORTS)] if o.view else nodes


def _trainer(o: Options) -> NodeSpec:
    spec = _node("trainer", torch=True, checkpoint=o.checkpoint, run_dir=o.run_dir, seed=o.seed)
    if o.method:
        spec.parameters["method"] = o.method
    return spec


def _driver(o: Options) -> list[NodeSpec]:
    if o.driver == "simulator":
        return [
            _node(
                "simulator",
                connector=o.connector,
                robot=o.robot,
                task=o.task,
                seed=o.seed,
                pace=o.pace,
                publish_ground_truth=o.ground_truth,
            )
        ]
    return [_node("sawyer_driver", robot=o.robot, task=o.task)] if o.driver == "sawyer_driver" else []


def _node(
    name: str,
    required: bool = True,
    torch: bool = False,
    ports: tuple[int, ...] = (),
    **parameters: bool | int | float | str,
) -> NodeSpec:
    env = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return NodeSpec(name, f"priorrl_nodes.{name}", parameters, required, torch, env, ports)


def command(spec: NodeSpec) -> list[str]:
    """Command line of the node's process. Its YAML (config/nodes) comes first, what the user said wins."""
    words = [sys.executable, "-m", spec.module, *spec.arguments, "--ros-args"]
    file = config_dir() / "nodes" / f"{spec.module.rpartition('.')[2]}.yaml"
    if file.is_file():
        words += ["--params-file", str(file)]
    for name, value in spec.parameters.items():
        words += ["-p", f"{name}:={_yaml(value)}"]
    return words


def environment(spec: NodeSpec) -> dict[str, str]:
    """The process's environment: the caller's; discovery on this machine unless said otherwise."""
    out = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **os.environ, **spec.env, "PYTHONUNBUFFERED": "1"}
    root = str(Path(__file__).resolve().parent.parent)
    paths = [p for p in out.get("PYTHONPATH", "").split(os.pathsep) if p]
    if root not in paths:
        out["PYTHONPATH"] = os.pathsep.join([root, *paths])
    return out


def _yaml(value: Any) -> str:
    """A parameter value as the ROS command line reads it; strings are quoted, so '0012' stays a string."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    return json.dumps(value)
