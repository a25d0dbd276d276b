"""What the reward gets wrong is counted by hand-made cases."""

import numpy as np
import pytest

from priorrl_core.rewards.report import (
    confusion,
    confusion_table,
    evaluate,
    false_positives_by_region,
    false_positives_per_100_trials,
    worst_images,
    write_png,
)


def test_10_33_confusion_of_each_connector():
    p = np.array([0.9, 0.9, 0.1, 0.1, 0.9])
    y = np.array([1, 0, 0, 1, 1], np.uint8)
    d = np.array([0, 0, 0, 0, 1])
    assert confusion(p >= 0.5, y) == {"tp": 2, "fp": 1, "tn": 1, "fn": 1}
    table = confusion_table(p, y, d, ["usb", "vga"], 0.5)
    assert "| usb | 1 | 1 | 1 | 1 | 0.50 | 0.50 |" in table
    assert "| vga | 1 | 0 | 0 | 0 | 1.00 | 1.00 |" in table


def test_10_12_accuracy_is_balanced_and_averaged_over_connectors():
    p = np.array([0.9] * 3 + [0.1] * 7 + [0.9, 0.9])
    y = np.array([1] * 3 + [0] * 7 + [1, 0], np.uint8)
    d = np.array([0] * 10 + [1, 1])
    e = evaluate(p, y, d, 0.5)
    assert e.connector_accuracy == pytest.approx((1.0 + 0.5) / 2)
    assert e.recall == 1.0 and e.false_positive_rate == pytest.approx(1 / 8)
    assert e.precision == pytest.approx(1.0 / (1.0 + 1 / 8))


def test_evaluation_without_a_single_claim_has_zero_precision_and_no_crash():
    e = evaluate(np.zeros(4), np.array([0, 1, 0, 1], np.uint8), np.zeros(4, np.int64), 0.9)
    assert e.precision == 0.0 and e.recall == 0.0


def test_10_13_false_positives_by_region():
    offset = np.array([[0.0, 0.0, 0.001], [0.02, 0.0, 0.001], [0.02, 0.0, 0.02], [0.0, 0.0, 0.0]])
    p, y = np.array([0.9, 0.9, 0.1, 0.9]), np.array([0, 0, 0, 1], np.uint8)
    rows = false_positives_by_region(p, y, offset, 0.5)
    assert sum(r["images"] for r in rows) == 3
    beside_and_low = [r for r in rows if r["lateral_from_m"] == 0.01 and r["height_to_m"] == 0.002][0]
    assert beside_and_low["rate"] == 1.0 and beside_and_low["images"] == 1


def test_false_positives_per_100_trials():
    p = np.zeros((4, 5))
    p[0, 1:3] = 0.9
    p[1, 4] = 0.9
    y = np.zeros((4, 5), np.uint8)
    y[1, 4] = 1
    assert false_positives_per_100_trials(p, y, 0.5) == (50.0, 25.0)


def test_worst_images_are_the_confident_errors_and_a_png_comes_out(tmp_path):
    images = np.full((5, 48, 48, 3), 10, np.uint8)
    images[3] = 200
    p, y = np.array([0.2, 0.1, 0.9, 0.99, 0.7]), np.array([0, 0, 1, 0, 0], np.uint8)
    sheet = worst_images(images, p, y, columns=4, rows=1)
    assert sheet.shape == (104, 208, 3)
    assert tuple(sheet[0, 0]) == (220, 30, 30) and sheet[20, 20, 0] == 200
    write_png(tmp_path / "worst.png", sheet)
    from matplotlib.image import imread  # an independent reader

    back = (imread(tmp_path / "worst.png")[..., :3] * 255).round().astype(np.uint8)
    assert np.array_equal(back, sheet)
