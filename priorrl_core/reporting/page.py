"""The HTML report of a run: one file, no scripts, no links to anything outside."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

from priorrl_core.reporting.intervals import moving_rate, wilson
from priorrl_core.reporting.run_folder import RunRecord, Trial
from priorrl_core.reporting.svg import Bar, Line, bar_chart, confusion, line_chart

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1180px;margin:1.5em auto;padding:0 1em;color:#1b1f24}
h1{font-size:1.5em} h2{font-size:1.15em;margin-top:1.8em;border-bottom:1px solid #d0d7de}
.grid2{display:grid;grid-template-columns:repeat(auto-fill,minmax(420px,1fr));gap:1em}
svg{width:100%;height:auto;background:#fff;border:1px solid #d0d7de}
svg text{font:11px system-ui,sans-serif;fill:#1b1f24} svg .title{font-weight:600;font-size:12px}
.grid{stroke:#e4e8ec} .mark{stroke:#888;stroke-dasharray:5 3} .whisker{stroke:#1b1f24;stroke-width:1.5}
table{border-collapse:collapse} td,th{border:1px solid #d0d7de;padding:3px 9px;text-align:left}
.counts td{text-align:right} caption{text-align:left;font-weight:600;padding:4px 0}
figure{margin:0 0 1em} figcaption{font-size:.9em;color:#57606a} img{image-rendering:pixelated;max-width:100%}
.note{color:#57606a}
"""

COUNTERS = ("episode", "version", "updates", "seconds", "success", "reward_sum", "online_transitions")
"""Columns of metrics.csv that are no curves."""

Figure = tuple[str, str]
"""(caption, data URL)."""


def write_report(record: RunRecord, figures: dict[str, list[Figure]], path: Path) -> Path:
    """Writes the report; ``figures`` by section: trials, reconstruction, goal, arm."""
    part = path.with_name(path.name + ".part")
    part.write_text(report_html(record, figures))
    os.replace(part, path)
    return path


def report_html(record: RunRecord, figures: dict[str, list[Figure]]) -> str:
    """The page's text."""
    connector = str(record.summary.get("connector", record.config.get("connector", "")))
    sections = [
        _head(record, connector),
        _section("Success", _success(record)),
        _section("Practice", _practice(record)),
        _section("Learned reward against ground truth", _reward(record)),
        _section("Last trial", _grid(_figure_list(figures.get("curves", [])))),
        _section("Pictures: first and last trials", _figure_list(figures.get("trials", []))),
        _section("What the representation keeps", _figure_list(figures.get("reconstruction", []))),
        _section("Goal", _figure_list(figures.get("goal", []))),
        _section("Learner", _learner(record)),
        _section("Figures of this run", _table(record.summary)),
        _section("Configuration", _table(record.config)),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>priorrl: {escape(connector)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _head(record: RunRecord, connector: str) -> str:
    parts = []
    for name, words in (
        ("base", "the base controller alone"),
        ("offline", "the policy before practice"),
        ("online", "the policy after practice"),
    ):
        tally = record.tally(name)
        if tally.trials:
            parts.append(f"{words} inserts {tally.successes} of {tally.trials}")
    sentence = "; ".join(parts)
    text = f"<p>{escape(sentence[:1].upper() + sentence[1:])}.</p>" if parts else ""
    return f"<h1>Practice on {escape(connector or 'a connector')}</h1>{text}"


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}" if body else ""


def _success(record: RunRecord) -> str:
    bars = []
    for name, label in (("base", "base alone"), ("offline", "offline"), ("online", "after practice")):
        tally = record.tally(name)
        if tally.trials:
            low, high = wilson(tally.successes, tally.trials)
            bars.append(
                Bar(f"{label} ({tally.successes}/{tally.trials})", tally.successes / tally.trials, low, high)
            )
    if not bars:
        return ""
    chart = bar_chart("Evaluation", bars, "success fraction")
    text = "Judged by the simulator, which no learner reads. Whiskers: Wilson 95 % intervals."
    return f'<div class="grid2">{chart}</div><p class="note">{text}</p>'


def _practice(record: RunRecord) -> str:
    trials = record.stage("practice")
    if not trials:
        return ""
    x = [t.index + 1 for t in trials]
    curves = [Line("learned reward says", x, moving_rate([t.judged for t in trials], 20))]
    known = [t for t in trials if t.inserted is not None]
    if known:
        truth = moving_rate([bool(t.inserted) for t in known], 20)
        curves.insert(0, Line("ground truth", [t.index + 1 for t in known], truth))
    charts = [
        line_chart(
            "Success over the last 20 trials", curves, "practice trial", "success fraction", (0.0, 1.0)
        ),
        line_chart(
            "Reward probability at the end of each trial",
            [_dots("p", trials, [t.probability for t in trials])],
            "practice trial",
            "probability",
            (0.0, 1.0),
        ),
        line_chart(
            "Largest contact force of each trial",
            [_dots("N", trials, [t.peak_force_n for t in trials])],
            "practice trial",
            "force [N]",
        ),
        line_chart(
            "Policy version that acted",
            [Line("version", x, [t.policy_version for t in trials])],
            "practice trial",
            "version",
        ),
    ]
    return f'<div class="grid2">{"".join(charts)}</div>'


def _dots(name: str, trials: list[Trial], values: list[float]) -> Line:
    return Line(name, [t.index + 1 for t in trials], values, dots=True)


def _reward(record: RunRecord) -> str:
    tables = []
    for title, trials in (
        ("practice trials", record.stage("practice")),
        ("evaluation trials", [t for t in record.trials if t.kind == "eval"]),
    ):
        counts = record.confusion(trials)
        if sum(counts):
            tp, fp, fn, tn = counts
            tables.append(confusion(f"{title}: accuracy {(tp + tn) / sum(counts):.2f}", tp, fp, fn, tn))
    return f'<div class="grid2">{"".join(f"<div>{t}</div>" for t in tables)}</div>' if tables else ""


def _learner(record: RunRecord) -> str:
    names = [n for n in record.metrics if n.removeprefix("trainer/") not in COUNTERS]
    steps = record.metrics.get("episode") or record.metrics.get("version")
    charts = []
    for name in names[:12]:
        values = record.metrics[name]
        x = steps if steps and len(steps) == len(values) else [float(i) for i in range(len(values))]
        charts.append(
            line_chart(name.removeprefix("trainer/"), [Line(name, x, values)], "practice trial", "")
        )
    return _grid("".join(charts))


def _grid(body: str) -> str:
    return f'<div class="grid2">{body}</div>' if body else ""


def _figure_list(figures: list[Figure]) -> str:
    parts = []
    for caption, body in figures:
        picture = (
            body if body.startswith("<svg") else f'<img alt="{escape(caption, quote=True)}" src="{body}">'
        )
        parts.append(f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>")
    return "".join(parts)


def _table(values: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(str(k))}</th><td>{escape(_short(v))}</td></tr>" for k, v in values.items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_short(v)}" for k, v in value.items())
    return str(value)
