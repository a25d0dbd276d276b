"""Variants: another bench, the same connector."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from priorrl_core.errors import ConfigError
from priorrl_core.tasks.connectors import connector_dir, load_connector
from priorrl_core.tasks.env import InsertionEnv
from priorrl_core.tasks.variants import variant


def test_a_variant_keeps_shape_and_fit_and_changes_look_and_turn() -> None:
    usb, other = load_connector("usb"), load_connector("usb~2")
    assert (other.family, other.dimensions, other.fit) == (usb.family, usb.dimensions, usb.fit)
    assert other.look.plug_rgb != usb.look.plug_rgb and other.keyed_angle_deg != usb.keyed_angle_deg
    assert other.name == "usb~2" and other.variant_of == "usb" and variant(usb, 0) is usb


def test_a_variant_is_a_function_of_its_name() -> None:
    assert load_connector("din_5~1") == load_connector("din_5~1") != load_connector("din_5~2")


def test_turns_are_quarters_and_a_little() -> None:
    usb = load_connector("usb")
    turns = np.array([variant(usb, k).keyed_angle_deg for k in range(1, 200)])
    quarter = np.round(turns / 90.0)
    assert set(quarter % 4) == {0, 1, 2, 3} and np.abs(turns - 90.0 * quarter).max() <= 20.0


def test_a_turned_plug_still_goes_in_with_no_error() -> None:
    """The socket turns with the plug; a quarter turn of a long plug is where a mistake would jam it."""
    spec = dataclasses.replace(load_connector("terminal_1x3~1"), keyed_angle_deg=90.0)
    env = InsertionEnv(spec, scenario="exact", images=False)
    try:
        env.reset(seed=0)
        for _ in range(20):
            *_, info = env.step(np.zeros(3))
        assert info["ground_truth"]["inserted"]
    finally:
        env.close()


def test_a_word_after_the_tilde_is_named() -> None:
    with pytest.raises(ConfigError, match="usb~2"):
        load_connector("usb~two")


@pytest.mark.parametrize("place", ["dir~1/mine.yaml", "mine~2.yaml", "mine~two.yml"])
def test_a_path_with_a_tilde_is_not_cut_at_the_tilde(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(place).parent.mkdir(exist_ok=True)
    Path(place).write_text((connector_dir() / "usb.yaml").read_text())
    assert load_connector(place) == load_connector("usb") == load_connector(tmp_path / place)
