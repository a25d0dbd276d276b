"""Laws of the house that can be read off the source (DESIGN.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "priorrl_core").rglob("*.py"))
BENCH = sorted((ROOT / "bench").glob("*.py"))
ALL = [*CORE, *sorted((ROOT / "priorrl_nodes").rglob("*.py"))]
IMPORTS = (ast.Import, ast.ImportFrom)
ROS = ("rclpy", "priorrl", "std_msgs", "std_srvs", "sensor_msgs", "geometry_msgs", "lifecycle_msgs", "launch")


def imports(path: Path) -> Iterator[str]:
    """Top-level names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def offenders(paths: list[Path], *forbidden: str) -> list[str]:
    """``file: module`` of every import of a forbidden package."""
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in imports(path)
        if any(name == f or name.startswith(f + ".") for f in forbidden)
    ]


def test_law_1_core_never_imports_ros() -> None:
    assert not offenders(CORE, *ROS, "priorrl_nodes")


def test_law_1_benches_never_import_ros() -> None:
    """What of a bench speaks ROS lies in ``priorrl_nodes`` and is imported by the function that needs it, so that
    the other benches run without ROS."""
    assert BENCH and not offenders(BENCH, *ROS)
    for path in BENCH:
        code = "\n".join(ast.unparse(n) for n in ast.parse(path.read_text()).body if isinstance(n, IMPORTS))
        assert "priorrl_nodes" not in code, path


def test_control_knows_no_torch() -> None:
    assert not offenders(sorted((ROOT / "priorrl_core" / "control").rglob("*.py")), "torch")


def test_agents_know_neither_tasks_nor_robots() -> None:
    agents = sorted((ROOT / "priorrl_core" / "agents").rglob("*.py"))
    assert not offenders(agents, "priorrl_core.tasks", "priorrl_core.robots")


def test_law_2_the_gate_process_has_no_torch() -> None:
    code = "import sys, priorrl_nodes.safety_gate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_law_9_no_pickle() -> None:
    assert not offenders(ALL, "pickle", "dill", "cloudpickle", "joblib")
    for path in ALL:
        assert "torch.load(" not in path.read_text() and "allow_pickle=True" not in path.read_text(), path


def test_no_silent_except() -> None:
    for path in ALL:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), (
                    f"{path}:{node.lineno}"
                )


def test_no_print_in_nodes() -> None:
    for path in (ROOT / "priorrl_nodes").glob("*.py"):
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls), path


def test_files_are_short() -> None:
    long = [str(p.relative_to(ROOT)) for p in ALL if len(p.read_text().splitlines()) > 350]
    assert not long
