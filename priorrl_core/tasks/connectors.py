"""A connector is one YAML file: shape, fit, look. Lists of them, families, and the split by family."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from priorrl_core.config import config_dir, load
from priorrl_core.errors import ConfigError, nearest

Family = Literal[
    "round", "rectangular", "d_shaped", "multi_pin", "keyed", "bladed", "studs", "hex", "coaxial", "two_pin",
    "din", "tri_pin", "square_pegs", "three_blades", "angled_blades", "oval", "offset_pins", "pin_blade",
]
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Dimensions:
    """Cross-section of the part that goes in [mm]; which entries count depends on the family."""

    width_mm: float
    """Along x: diameter of a round part, blade width, pin or stud diameter."""
    length_mm: float = 0.0
    """Along y; 0: as wide as it is long."""
    rows: int = 1
    columns: int = 1
    pitch_mm: float = 0.0
    """Centre to centre of pins, blades or studs."""

    def __post_init__(self) -> None:
        if not 1.5 <= self.width_mm <= 40.0:
            raise ValueError(f"width_mm is {self.width_mm}; give 1.5 to 40")
        if not 0.0 <= self.length_mm <= 40.0:
            raise ValueError(f"length_mm is {self.length_mm}; give 0 to 40")
        if not (1 <= self.rows <= 6 and 1 <= self.columns <= 6):
            raise ValueError("rows and columns must be 1 to 6")
        if self.rows * self.columns > 1 and self.pitch_mm <= self.width_mm:
            raise ValueError("pitch_mm must be larger than width_mm where there are several parts")


@dataclass(frozen=True)
class Fit:
    """How tightly it fits."""

    clearance_mm: float
    """Gap on each side between plug and hole."""
    chamfer_mm: float
    """Width of the 45 degree lead-in of the hole."""
    depth_mm: float
    """Travel from the mouth of the hole to its floor."""
    success_depth_mm: float
    """Travel from which the connection counts as made; also closes the electrical signal."""
    friction: float = 0.3
    holding_force_n: float = 3.0
    """Resistance of the contacts while sliding in or out."""
    shoulder_gap_mm: float = 0.0
    """What stays between the plug's shoulder and the socket's face when it is fully in."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.clearance_mm <= 3.0:
            raise ValueError(f"clearance_mm is {self.clearance_mm}; give 0.1 to 3")
        if not 0.0 <= self.chamfer_mm <= 4.0:
            raise ValueError(f"chamfer_mm is {self.chamfer_mm}; give 0 to 4")
        if not 2.0 <= self.depth_mm <= 20.0:
            raise ValueError(f"depth_mm is {self.depth_mm}; give 2 to 20")
        if not 1.0 <= self.success_depth_mm <= self.depth_mm:
            raise ValueError("success_depth_mm must lie between 1 and depth_mm")
        if not 0.0 <= self.friction <= 1.5:
            raise ValueError(f"friction is {self.friction}; give 0 to 1.5")
        if not 0.0 <= self.holding_force_n <= 20.0:
            raise ValueError(f"holding_force_n is {self.holding_force_n}; give 0 to 20")
        if not 0.0 <= self.shoulder_gap_mm <= 5.0:
            raise ValueError(f"shoulder_gap_mm is {self.shoulder_gap_mm}; give 0 to 5")


@dataclass(frozen=True)
class Look:
    """Colours in [0, 1], light and camera of the bench on which this connector was recorded."""

    plug_rgb: Rgb
    contact_rgb: Rgb
    socket_rgb: Rgb
    background_rgb: Rgb
    hole_rgb: Rgb = (0.05, 0.05, 0.05)
    body_round: bool = False
    """The plug's body is a cylinder instead of a box."""
    body_mm: tuple[float, float, float] = (0.0, 0.0, 14.0)
    """Body width, length [0: 3 mm beyond the contact part on each side] and height."""
    socket_margin_mm: float = 5.0
    """Width of the socket's rim around its holes."""
    light_direction: tuple[float, float, float] = (0.4, 0.3, 1.0)
    light_ambient: float = 0.55
    camera_jitter_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    camera_jitter_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    clutter: int = 0
    """Coloured patches that lie on the bench around the socket."""

    def __post_init__(self) -> None:
        for name in ("plug_rgb", "contact_rgb", "socket_rgb", "background_rgb", "hole_rgb"):
            if not all(0.0 <= c <= 1.0 for c in getattr(self, name)):
                raise ValueError(f"{name} must hold values in 0 to 1")


@dataclass(frozen=True)
class ConnectorSpec:
    name: str
    family: Family
    dimensions: Dimensions
    fit: Fit
    look: Look
    keyed_angle_deg: float = 0.0
    """Turn of plug and socket together about the vertical."""
    robot: str = "sawyer"
    variant_of: str = ""
    """Name of the connector of which this one is a close variant (left out with it, row 10.18)."""
    note: str = ""
    tags: tuple[str, ...] = field(default_factory=tuple)


def connector_dir() -> Path:
    return config_dir() / "connectors"


def list_connectors() -> list[str]:
    """Names of all connectors that come with the package, sorted."""
    return sorted(p.stem for p in connector_dir().glob("*.yaml"))


def load_connector(path_or_name: str | Path) -> ConnectorSpec:
    """The connector of a YAML file, or the packaged one of that name; ConfigError names the nearest.

    ``NAME~2`` is its second variant (``tasks/variants.py``). A path may have a tilde of its own.
    """
    text = str(path_or_name)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return load(ConnectorSpec, Path(text))
    text, tilde, number = text.partition("~")
    if tilde:
        from priorrl_core.tasks.variants import variant

        if not number.isdecimal():
            raise ConfigError(f"'{path_or_name}': after '~' comes the number of a variant, as in '{text}~2'")
        return variant(load_connector(text), int(number))
    path = connector_dir() / f"{text}.yaml"
    if not path.is_file():
        raise ConfigError(f"unknown connector '{text}'{nearest(text, list_connectors())}")
    return load(ConnectorSpec, path)


def families(names: list[str] | None = None) -> dict[str, list[str]]:
    """Connector names by family."""
    grouped: dict[str, list[str]] = {}
    for name in names if names is not None else list_connectors():
        grouped.setdefault(load_connector(name).family, []).append(name)
    return grouped


def split(held_out_families: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(train, held-out) connector names; a family is in one of the two, never in both (row 10.18)."""
    grouped = families()
    for family in held_out_families:
        if family not in grouped:
            raise ConfigError(f"unknown family '{family}'{nearest(family, grouped)}")
    train = sorted(n for f, names in grouped.items() if f not in held_out_families for n in names)
    held = sorted(n for f in held_out_families for n in grouped[f])
    return train, held
