"""Makes urdf/sawyer.urdf from urdf/sawyer.urdf.xacro: ``python urdf/generate.py``.

It needs ``pip install xacro``. The generated file is committed, so that nobody needs xacro to simulate.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent


def text() -> str:
    """The expanded URDF; ImportError where xacro is not installed."""
    import xacro  # type: ignore[import-not-found]

    document = xacro.process_file(str(HERE / "sawyer.urdf.xacro"))
    pretty = document.toprettyxml(indent="  ", encoding="utf-8").decode()
    lines = [line.rstrip() for line in pretty.splitlines() if line.strip()]
    lines[1:] = lines[_banner_end(lines):]
    return "\n".join(lines) + "\n"


def _banner_end(lines: list[str]) -> int:
    """Index after xacro's banner, which names an absolute path and so would differ between machines."""
    return 1 + max((i for i, line in enumerate(lines[:8]) if line.startswith("<!-- =")), default=0)


if __name__ == "__main__":
    (HERE / "sawyer.urdf").write_text(text())
