"""The reward model's report before use: figures on connectors never seen, calibration, worst images."""

from __future__ import annotations

import dataclasses
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from priorrl_core.data.episodes import PriorData
from priorrl_core.reporting.page import STYLE
from priorrl_core.reporting.pictures import data_url, save_png
from priorrl_core.reporting.summary import write_json
from priorrl_core.reporting.svg import Line, line_chart
from priorrl_core.rewards.classifier import RewardModel
from priorrl_core.rewards.report import (
    confusion_table,
    evaluate,
    false_positives_by_region,
    false_positives_per_100_trials,
    worst_images,
)

BINS = 10


def report_reward(model: RewardModel, unseen: PriorData | None, folder: Path) -> dict[str, Any]:
    """Writes ``reward_report.json`` and, with data of connectors never seen, ``.html`` and ``_worst.png``."""
    out: dict[str, Any] = {
        "model_hash": model.model_hash,
        "mode": model.source,
        "threshold": model.threshold,
        "temperature": model.temperature,
        "alarms": model.facts.get("alarms", []),
        "validation_on_left_out_training_families": model.facts.get("validation", {}),
        "health": model.facts.get("health", []),
    }
    if unseen is not None:
        probability = _probability(model, unseen)
        out["unseen"] = _figures(model, unseen, probability)
        sheet = worst_images(
            unseen.images.reshape(-1, *unseen.images.shape[2:]),
            probability.reshape(-1),
            unseen.labels.reshape(-1),
        )
        save_png(sheet, folder / "reward_worst.png")
        (folder / "reward_report.html").write_text(_page(out, unseen, probability, sheet))
    write_json(folder / "reward_report.json", out)
    return out


def _probability(model: RewardModel, data: PriorData) -> np.ndarray:
    """(N, T+1)."""
    return np.stack([model.probability(images) for images in data.images])


def _figures(model: RewardModel, data: PriorData, probability: np.ndarray) -> dict[str, Any]:
    labels = data.labels
    domains = np.repeat(data.connector, labels.shape[1])
    images, trials = false_positives_per_100_trials(probability, labels, model.threshold)
    offsets = data.episodes.offset_m.reshape(-1, 3)
    return {
        "connectors": list(data.names),
        "families": sorted(set(data.families)),
        **dataclasses.asdict(evaluate(probability.reshape(-1), labels.reshape(-1), domains, model.threshold)),
        "false_positive_images_per_100_trials": images,
        "trials_with_a_false_positive_per_100": trials,
        "false_positives_by_region": false_positives_by_region(
            probability.reshape(-1), labels.reshape(-1), offsets, model.threshold
        ),
    }


def calibration_curve(probability: np.ndarray, labels: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean predicted probability and fraction of successes in each of ``BINS`` equal bins with images."""
    which = np.minimum((probability * BINS).astype(int), BINS - 1)
    used = [b for b in range(BINS) if (which == b).any()]
    return (
        [float(probability[which == b].mean()) for b in used],
        [float((labels[which == b] > 0).mean()) for b in used],
    )


def _page(out: dict[str, Any], data: PriorData, probability: np.ndarray, sheet: np.ndarray) -> str:
    flat, labels = probability.reshape(-1), data.labels.reshape(-1)
    x, y = calibration_curve(flat, labels)
    chart = line_chart(
        "Calibration",
        [Line("model", x, y), Line("perfect", [0.0, 1.0], [0.0, 1.0])],
        "predicted probability",
        "fraction inserted",
        (0.0, 1.0),
    )
    table = confusion_table(
        flat, labels, np.repeat(data.connector, data.labels.shape[1]), data.names, float(out["threshold"])
    )
    plain = {k: v for k, v in out["unseen"].items() if isinstance(v, (int, float))}
    figures = "".join(f"<tr><th>{escape(k)}</th><td>{v:.4g}</td></tr>" for k, v in plain.items())
    alarms = "".join(f"<li>{escape(a)}</li>" for a in out["alarms"]) or "<li>none</li>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>reward report</title>'
        f"<style>{STYLE}</style></head><body><h1>Reward model {escape(str(out['model_hash']))}</h1>"
        f"<p>On connectors that it was not trained on: {escape(', '.join(data.names))}.</p>"
        f'<table>{figures}</table><h2>Alarms</h2><ul>{alarms}</ul><div class="grid2">{chart}</div>'
        f"<h2>Confusion</h2><pre>{escape(table)}</pre><h2>Worst images</h2>"
        f'<p class="note">Red: confident false claims. Blue: misses.</p><img alt="worst images" '
        f'width="{2 * sheet.shape[1]}" src="{data_url(sheet)}"></body></html>\n'
    )
