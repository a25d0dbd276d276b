"""Writes ``config/nodes/<node>.yaml`` from the nodes' own tables, so that the files cannot drift.

``python -m priorrl_nodes.parameter_files`` writes them; a test compares.
"""

from __future__ import annotations

import importlib
import json
import sys
import textwrap

from priorrl_core.config import config_dir
from priorrl_nodes.lifecycle import AUTOSTART, ManagedNode, Param

NODES = (
    "simulator",
    "safety_gate",
    "controller",
    "perception",
    "reward",
    "goal_proposer",
    "trainer",
    "episode_manager",
    "recorder",
    "viewer",
    "monitor",
    "sawyer_driver",
)


def node_class(name: str) -> type[ManagedNode]:
    """The class of ``priorrl_nodes.<name>`` that is a managed node."""
    module = importlib.import_module(f"priorrl_nodes.{name}")
    found = [
        v
        for v in vars(module).values()
        if isinstance(v, type) and issubclass(v, ManagedNode) and v.__module__ == module.__name__
    ]
    return found[0]


def text_of(name: str) -> str:
    """The parameter file of one node: each parameter with its meaning, bounds and default."""
    cls = node_class(name)
    first = (sys.modules[cls.__module__].__doc__ or "").strip().splitlines()[0]
    lines = [*_comment(f"{name}: {first}"), "# Defaults. What the command line or a launch file says wins."]
    lines += [f"{name}:", "  ros__parameters:"]
    for p in (AUTOSTART, *cls.PARAMETERS):
        lines += [*_comment(_meaning(p), "    "), f"    {p.name}: {json.dumps(p.default)}"]
    return "\n".join(lines) + "\n"


def _meaning(p: Param) -> str:
    text = p.description
    if p.options:
        text += f" One of: {', '.join(p.options)}."
    elif p.lower is not None or p.upper is not None:
        text += f" From {p.lower} to {p.upper}."
    return text if p.read_only else text + " May be changed while running."


def _comment(text: str, indent: str = "") -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, 100 - len(indent))]


def main() -> int:
    folder = config_dir() / "nodes"
    folder.mkdir(exist_ok=True)
    for name in NODES:
        (folder / f"{name}.yaml").write_text(text_of(name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
