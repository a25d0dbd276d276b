"""Writes docs/reference/ from the code: nodes (topics, parameters), interfaces, commands, configuration keys.

``python scripts/make_reference.py`` writes; ``--check`` writes nothing and fails when a page is out of date.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import dataclasses
import importlib
import inspect
import os
import re
import subprocess
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "reference"
NOTE = "<!-- Written by scripts/make_reference.py (`make docs`); do not edit. -->\n\n"
ENTITIES = {
    "make_publisher": "publishes",
    "make_subscription": "subscribes to",
    "make_service": "serves",
    "make_client": "calls",
}


def node_names() -> list[str]:
    """Modules of the nodes, from the console scripts of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].strip().splitlines()
    return [m[1] for line in lines if (m := re.search(r"= priorrl_nodes\.(\w+):", line))]


def table(header: str, rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; an empty string without rows."""
    if not rows:
        return ""
    columns = header.count("|") + 1
    clean = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join([f"| {header} |", "|" + "---|" * columns, *(f"| {row} |" for row in clean)]) + "\n"


def summary(thing: Any) -> str:
    """First paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def entities(source: str) -> list[tuple[str, ...]]:
    """(what, name, type) of each topic, service and client that a node's source makes with a literal name."""
    rows = []
    for call in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in ENTITIES and len(call.args) >= 2 and isinstance(call.args[1], ast.Constant):
            kind = ast.unparse(call.args[0]).replace("ClockMessage", "Clock")
            rows.append((ENTITIES[name], f"`{call.args[1].value!s}`", f"`{kind}`"))
        elif ast.unparse(call.func) == "ActionServer":
            name, kind = ast.literal_eval(call.args[2]), ast.unparse(call.args[1])
            rows.append(("serves the action", f"`{name}`", f"`{kind}`"))
    return sorted(set(rows))


def node_section(name: str) -> str:
    """One node: what it does, its topics and services, its parameters."""
    from priorrl_nodes.lifecycle import ManagedNode

    module = importlib.import_module(f"priorrl_nodes.{name}")
    cls = next(
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, ManagedNode) and c.__module__ == module.__name__
    )
    parameters = [(f"`{p.name}`", f"`{p.default!r}`", bounds(p), p.description) for p in cls.PARAMETERS]
    topics = entities(inspect.getsource(module))
    parts = [
        f"## {name}\n",
        summary(module) + "\n",
        table("what | name | type", topics),
        table("parameter | default | allowed | meaning", parameters),
    ]
    return "\n".join(part for part in parts if part)


def bounds(parameter: Any) -> str:
    """What a parameter may be."""
    if parameter.options:
        return ", ".join(f"`{o}`" for o in parameter.options)
    if parameter.lower is None and parameter.upper is None:
        return ""
    if parameter.upper is None or parameter.upper > 1e15:
        return f"at least {parameter.lower:g}"
    shown = ["" if limit is None else f"{limit:g}" for limit in (parameter.lower, parameter.upper)]
    return " to ".join(shown).strip()


def nodes_page() -> str:
    head = "# Nodes\n\nLifecycle nodes; `autostart` (default true) configures and activates them at once.\n"
    return NOTE + "\n".join([head, *(node_section(name) for name in node_names())])


def interfaces_page() -> str:
    parts = [NOTE + "# Interfaces\n"]
    for folder in ("msg", "srv", "action"):
        for path in sorted((ROOT / folder).glob(f"*.{folder}")):
            parts.append(f"## priorrl/{folder}/{path.stem}\n\n```\n{path.read_text().rstrip()}\n```\n")
    return "\n".join(parts)


def commands_page() -> str:
    from priorrl_core.cli.main import VERBS

    parts = [NOTE + "# Commands\n"]
    for verb in VERBS:
        command = [sys.executable, "-m", "priorrl_core.cli.main", verb, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True, env=wide())
        parts.append(f"## priorrl {verb}\n\n```\n{done.stdout.rstrip()}\n```\n")
    return "\n".join(parts)


def wide() -> dict[str, str]:
    """This environment, with lines of 100 columns."""
    return {**os.environ, "COLUMNS": "100"}


def configuration_page() -> str:
    """Keys of the YAML files: one table a dataclass, nested ones below the one that holds them."""
    from priorrl_core.robots.profile import RobotProfile
    from priorrl_core.tasks.blocks import BlockTask
    from priorrl_core.tasks.connectors import ConnectorSpec
    from priorrl_core.tasks.plug import PlugSpec, PlugTask
    from priorrl_core.tasks.task import InsertionTask
    from priorrl_core.training.learn_config import LearnConfig
    from priorrl_core.training.method import MethodConfig
    from priorrl_core.training.residual_learner import ResidualMethod

    parts = [NOTE + "# Configuration\n\nAn unknown key is an error that names the nearest valid one.\n"]
    for title, cls in (
        ("config/connectors/*.yaml", ConnectorSpec),
        ("config/tasks/insertion.yaml", InsertionTask),
        ("config/tasks/plug.yaml", PlugTask),
        ("config/tasks/plug/*.yaml", PlugSpec),
        ("config/tasks/blocks.yaml", BlockTask),
        ("config/robots/*.yaml", RobotProfile),
        ("config/agents/*.yaml", LearnConfig),
        ("config/methods/*.yaml", MethodConfig),
        ("config/methods/residual_*.yaml", ResidualMethod),
    ):
        parts.append(f"## {title}\n\n" + keys(cls, ""))
    return "\n".join(parts)


def keys(cls: type, where: str) -> str:
    """Table of a dataclass's keys, then those of the dataclasses inside it."""
    notes, hints = inherited_notes(cls), typing.get_type_hints(cls)
    rows, inner = [], []
    for f in dataclasses.fields(cls):
        rows.append((f"`{f.name}`", f"`{f.type}`", default(f), notes.get(f.name, "")))
        name = f"{where}{f.name}."
        for kind in (hints[f.name], *typing.get_args(hints[f.name])):
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                inner.append(f"### {name[:-1]}\n\n" + keys(kind, name))
    text = "" if summary(cls).startswith(f"{cls.__name__}(") else summary(cls) + "\n\n"
    return "\n".join([text + table("key | type | default | meaning", rows), *inner])


def inherited_notes(cls: type) -> dict[str, str]:
    """Those of a dataclass and of the dataclasses that it is made from; its own come first."""
    notes: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            notes |= attribute_notes(base)
    return notes


def attribute_notes(cls: type) -> dict[str, str]:
    """The string below an attribute, by the attribute's name."""
    body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    notes = {}
    for item, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            notes[item.target.id] = " ".join(str(after.value.value).split())
    return notes


def default(field: dataclasses.Field[Any]) -> str:
    """A field's default, as code; empty for a key that must be given."""
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else ""


PAGES = {
    "nodes.md": nodes_page,
    "interfaces.md": interfaces_page,
    "commands.md": commands_page,
    "configuration.md": configuration_page,
}


def main() -> int:
    """0: written or current; 1: ``--check`` found a page that is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    stale = []
    for name, make in PAGES.items():
        text, path = make(), OUT / name
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            OUT.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    print(f"{'out of date' if check else 'written'}: {', '.join(stale) or 'nothing'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
