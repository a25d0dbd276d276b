"""The same connector on another bench: ``usb~2`` has usb's shape and fit, another look and another turn.

Prior data of few connectors, each on one bench, may teach a network the benches; our own results do not
confirm that variants mend it (``bench/results/README.md``). A shop records the same connector in several
cells; a variant is that: colours, light, camera mount, size of the plug's body and the turn of plug and
socket about the vertical are drawn anew, from its name alone.
"""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from priorrl_core.tasks.connectors import ConnectorSpec, Look, Rgb

TURN_DEG = 20.0
"""On top of a quarter turn."""
BODY_MM = (3.0, 14.0)
"""Width and length of the plug's body beyond the contact part, both sides together."""
HEIGHT_MM = 3.0
JITTER_MM, JITTER_DEG = 2.5, 2.0


def variant(spec: ConnectorSpec, number: int) -> ConnectorSpec:
    """Variant ``number`` (1, 2, ...) of a connector; 0 is the connector itself."""
    if number == 0:
        return spec
    name = f"{spec.name}~{number}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    turn = 90.0 * int(rng.integers(4)) + float(rng.uniform(-TURN_DEG, TURN_DEG))
    return dataclasses.replace(
        spec,
        name=name,
        look=_look(spec, rng),
        keyed_angle_deg=spec.keyed_angle_deg + turn,
        robot="sawyer_a" if rng.random() < 0.5 else "sawyer_b",
        variant_of=spec.variant_of or spec.name,
    )


def _look(spec: ConnectorSpec, rng: np.random.Generator) -> Look:
    from priorrl_core.tasks.shapes import MM, footprint

    x0, y0, x1, y1 = footprint(spec)
    grow = rng.uniform(*BODY_MM, 2)
    grey = float(rng.uniform(0.5, 0.9))
    background, socket = _colour(rng, 0.1, 0.9), _colour(rng)
    while np.abs(np.array(socket) - background).sum() < 0.35:
        socket = _colour(rng)
    return dataclasses.replace(
        spec.look,
        plug_rgb=_colour(rng),
        contact_rgb=_rgb(grey * rng.uniform(0.8, 1.0, 3)),
        socket_rgb=socket,
        background_rgb=background,
        hole_rgb=_rgb(np.full(3, rng.uniform(0.0, 0.15))),
        body_round=bool(rng.random() < 0.25),
        body_mm=(
            (x1 - x0) / MM + float(grow[0]),
            (y1 - y0) / MM + float(grow[1]),
            spec.look.body_mm[2] + float(rng.uniform(-HEIGHT_MM, HEIGHT_MM)),
        ),
        socket_margin_mm=float(rng.uniform(3.0, 9.0)),
        light_direction=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8)), 1.0),
        light_ambient=float(rng.uniform(0.4, 0.75)),
        camera_jitter_mm=_vector(rng.uniform(-JITTER_MM, JITTER_MM, 3)),
        camera_jitter_deg=_vector(rng.uniform(-JITTER_DEG, JITTER_DEG, 3)),
        clutter=int(rng.integers(0, 5)),
    )


def _colour(rng: np.random.Generator, low: float = 0.03, high: float = 0.97) -> Rgb:
    return _rgb(rng.uniform(low, high, 3))


def _rgb(values: np.ndarray) -> Rgb:
    return _vector(np.clip(values, 0.0, 1.0))


def _vector(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
