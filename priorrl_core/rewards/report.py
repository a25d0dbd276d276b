"""What a reward model gets wrong: confusion per connector, calibration, false positives, where they lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from priorrl_core.rewards.calibration import calibration_error


@dataclass(frozen=True)
class Evaluation:
    """Figures at one threshold; accuracy, precision and recall are for equal shares of both classes."""

    images: int
    threshold: float
    accuracy: float
    accuracy_at_half: float
    connector_accuracy: float
    precision: float
    recall: float
    false_positive_rate: float
    calibration_error: float


def confusion(claimed: NDArray[np.bool_], labels: NDArray[np.uint8]) -> dict[str, int]:
    """Counts {tp, fp, tn, fn} of claims against the truth (10.33: the truth never reaches the learner)."""
    truth = labels > 0
    return {
        "tp": int((claimed & truth).sum()),
        "fp": int((claimed & ~truth).sum()),
        "tn": int((~claimed & ~truth).sum()),
        "fn": int((~claimed & truth).sum()),
    }


def _rates(claimed: NDArray[np.bool_], labels: NDArray[np.uint8]) -> tuple[float, float]:
    """(recall, false-positive rate); a class without images counts 0."""
    truth = labels > 0
    recall = float(claimed[truth].mean()) if truth.any() else 0.0
    false = float(claimed[~truth].mean()) if (~truth).any() else 0.0
    return recall, false


def evaluate(
    probability: NDArray[Any], labels: NDArray[np.uint8], domains: NDArray[np.int64], threshold: float
) -> Evaluation:
    """Figures over all images, classes weighted equally; ``connector_accuracy``: mean over connectors."""
    recall, false = _rates(probability >= threshold, labels)
    half_recall, half_false = _rates(probability >= 0.5, labels)
    per = [_rates(probability[domains == d] >= 0.5, labels[domains == d]) for d in np.unique(domains)]
    return Evaluation(
        images=len(labels),
        threshold=float(threshold),
        accuracy=0.5 * (recall + 1.0 - false),
        accuracy_at_half=0.5 * (half_recall + 1.0 - half_false),
        connector_accuracy=float(np.mean([0.5 * (r + 1.0 - f) for r, f in per])) if per else 0.0,
        precision=recall / (recall + false) if recall + false > 0 else 0.0,
        recall=recall,
        false_positive_rate=false,
        calibration_error=calibration_error(probability, labels),
    )


def confusion_table(
    probability: NDArray[Any],
    labels: NDArray[np.uint8],
    domains: NDArray[np.int64],
    names: Sequence[str],
    threshold: float,
) -> str:
    """A Markdown table of the confusion matrix of each connector (row 10.33)."""
    lines = ["| connector | tp | fp | tn | fn | precision | recall |", "|---|---|---|---|---|---|---|"]
    for d in np.unique(domains):
        c = confusion(probability[domains == d] >= threshold, labels[domains == d])
        precision = f"{c['tp'] / (c['tp'] + c['fp']):.2f}" if c["tp"] + c["fp"] else "-"
        recall = f"{c['tp'] / (c['tp'] + c['fn']):.2f}" if c["tp"] + c["fn"] else "-"
        cells = [names[int(d)], *(str(c[k]) for k in ("tp", "fp", "tn", "fn")), precision, recall]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def false_positives_per_100_trials(
    probability: NDArray[Any], labels: NDArray[np.uint8], threshold: float
) -> tuple[float, float]:
    """(images, trials with at least one) falsely called success per 100 trials; arrays (N,T)."""
    wrong = (probability >= threshold) & (labels == 0)
    return 100.0 * float(wrong.sum(1).mean()), 100.0 * float(wrong.any(1).mean())


def false_positives_by_region(
    probability: NDArray[Any],
    labels: NDArray[np.uint8],
    offset_m: NDArray[Any],
    threshold: float,
    lateral_edges_m: Sequence[float] = (0.0, 0.001, 0.003, 0.01, 1.0),
    height_edges_m: Sequence[float] = (-1.0, 0.002, 0.006, 0.015, 1.0),
) -> list[dict[str, float]]:
    """False-positive rate by lateral distance and height from the goal; offset_m (M,3), report only."""
    negative = labels == 0
    lateral = np.hypot(offset_m[:, 0], offset_m[:, 1])
    rows: list[dict[str, float]] = []
    for a, b in zip(lateral_edges_m[:-1], lateral_edges_m[1:], strict=True):
        for low, high in zip(height_edges_m[:-1], height_edges_m[1:], strict=True):
            inside = negative & (lateral >= a) & (lateral < b)
            inside &= (offset_m[:, 2] >= low) & (offset_m[:, 2] < high)
            rate = float((probability[inside] >= threshold).mean()) if inside.any() else 0.0
            rows.append({"lateral_from_m": a, "lateral_to_m": b, "height_from_m": low, "height_to_m": high,
                         "images": int(inside.sum()), "rate": rate})  # fmt: skip
    return rows


def worst_images(
    images: NDArray[np.uint8],
    probability: NDArray[Any],
    labels: NDArray[np.uint8],
    columns: int = 8,
    rows: int = 3,
) -> NDArray[np.uint8]:
    """A sheet (H,W,3): ``rows`` of the most confident false claims (red), then of the misses (blue)."""
    tile, blocks = 52, []
    for error, colour in ((np.where(labels == 0, probability, -1.0), (220, 30, 30)),
                          (np.where(labels > 0, 1.0 - probability, -1.0), (30, 60, 220))):  # fmt: skip
        order = np.argsort(-error, kind="stable")[: columns * rows]
        block = np.full((rows * tile, columns * tile, 3), 255, np.uint8)
        for i, j in enumerate(order[error[order] >= 0.0]):
            y, x = (i // columns) * tile, (i % columns) * tile
            block[y : y + tile, x : x + tile] = colour
            block[y + 2 : y + 50, x + 2 : x + 50] = images[j]
        blocks.append(block)
    return np.concatenate(blocks)


def write_png(path: str | Path, image: NDArray[np.uint8]) -> None:
    """``image`` (H,W,3) uint8 as an uncompressed-filter PNG (RFC 2083), without another library."""
    height, width, _ = image.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + chunk(b"IEND", b"")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + body)
