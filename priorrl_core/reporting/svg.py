"""Charts as inline SVG text: lines with bands, bars with intervals, a two by two table of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 28, 42


@dataclass(frozen=True)
class Line:
    """One curve: points (x, y); NaN leaves a gap. ``low`` and ``high`` draw a band."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: bool = False


@dataclass(frozen=True)
class Bar:
    """One bar with its interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Axes:
    """Plot area in data units."""

    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values that span [low, high], about ``count`` of them."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    raw = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= raw), 10 * power)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    mark: tuple[float, str] | None = None,
) -> str:
    """Curves over a common axis; ``mark`` is a horizontal line with a name."""
    xs = [v for line in lines for v in line.x if math.isfinite(v)]
    ys = [v for line in lines for v in (*line.y, *line.low, *line.high) if math.isfinite(v)]
    if not xs or not ys:
        return _frame(title, [_text(WIDTH / 2, HEIGHT / 2, "no data", "middle")])
    y0, y1 = y_range or (min(0.0, *ys), max(ys))
    axes = Axes(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1.0, y0, y1 if y1 > y0 else y0 + 1.0)
    parts = _grid(axes, x_label, y_label)
    if mark:
        y = axes.y(mark[0])
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="mark"/>')
        parts.append(_text(WIDTH - RIGHT - 4, y - 4, mark[1], "end"))
    for index, line in enumerate(lines):
        parts += _line(line, axes, PALETTE[index % len(PALETTE)])
    parts += _legend([line.name for line in lines])
    return _frame(title, parts)


def bar_chart(
    title: str, bars: Sequence[Bar], y_label: str, y_range: tuple[float, float] = (0.0, 1.0)
) -> str:
    """Bars with whiskers, value written above each."""
    axes = Axes(0.0, float(max(1, len(bars))), *y_range)
    parts = _grid(axes, "", y_label, x_ticks=False)
    for index, bar in enumerate(bars):
        middle, half = axes.x(index + 0.5), 0.3 * (axes.x(1) - axes.x(0))
        top = axes.y(bar.value)
        parts.append(
            f'<rect x="{middle - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}" '
            f'height="{max(0.0, axes.y(y_range[0]) - top):.1f}" fill="{PALETTE[index % len(PALETTE)]}"/>'
        )
        parts.append(
            f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{axes.y(bar.low):.1f}" '
            f'y2="{axes.y(bar.high):.1f}" class="whisker"/>'
        )
        parts.append(_text(middle + half + 2, top - 4, f"{bar.value:.2f}", "start"))
        parts.append(_text(middle, HEIGHT - BOTTOM + 15, bar.name, "middle"))
    return _frame(title, parts)


def confusion(title: str, tp: int, fp: int, fn: int, tn: int) -> str:
    """HTML table of the learned reward's verdict against the ground truth."""
    rows = [("inserted", tp, fn), ("not inserted", fp, tn)]
    body = "".join(f"<tr><th>{name}</th><td>{a}</td><td>{b}</td></tr>" for name, a, b in rows)
    return (
        f'<table class="counts"><caption>{escape(title)}</caption><tr><th></th><th>reward says yes</th>'
        f"<th>reward says no</th></tr>{body}</table>"
    )


def _line(line: Line, axes: Axes, colour: str) -> list[str]:
    parts = []
    if line.low and line.high:
        there = [f"{axes.x(x):.1f},{axes.y(v):.1f}" for x, v in zip(line.x, line.high, strict=True)]
        back = [f"{axes.x(x):.1f},{axes.y(v):.1f}" for x, v in zip(line.x, line.low, strict=True)][::-1]
        parts.append(f'<polygon points="{" ".join(there + back)}" fill="{colour}" opacity="0.15"/>')
    if line.dots:
        return parts + [
            f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="2" fill="{colour}"/>'
            for x, y in zip(line.x, line.y, strict=True)
            if math.isfinite(y)
        ]
    run: list[str] = []
    for x, y in [*zip(line.x, line.y, strict=True), (math.nan, math.nan)]:
        if math.isfinite(x) and math.isfinite(y):
            run.append(f"{axes.x(x):.1f},{axes.y(y):.1f}")
        elif run:
            parts.append(
                f'<polyline points="{" ".join(run)}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            )
            run = []
    return parts


def _grid(axes: Axes, x_label: str, y_label: str, x_ticks: bool = True) -> list[str]:
    parts = []
    for v in ticks(axes.y0, axes.y1):
        y = axes.y(v)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{v:g}", "end"))
    for v in ticks(axes.x0, axes.x1, 8) if x_ticks else []:
        parts.append(_text(axes.x(v), HEIGHT - BOTTOM + 15, f"{v:g}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 14 {middle:.0f})">'
        f"{escape(y_label)}</text>"
    )
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    if len(names) < 2:
        return []
    parts, x = [], float(LEFT)
    for index, name in enumerate(names):
        parts.append(
            f'<rect x="{x:.0f}" y="{TOP - 9}" width="10" height="3" fill="{PALETTE[index % len(PALETTE)]}"/>'
        )
        parts.append(_text(x + 14, TOP - 4, name, "start"))
        x += 26 + 6.2 * len(name)
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _frame(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f'<text x="{LEFT}" y="13" class="title">{escape(title)}</text>{"".join(parts)}</svg>'
    )
