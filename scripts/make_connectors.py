"""Writes config/connectors/*.yaml: the names of thesis Figure 48 (and a few more) as simple solids.

Usage: python scripts/make_connectors.py. Sizes are typical outer sizes rounded to what a 48x48 camera can
tell apart; fits and looks are drawn once from the seed below. Edit a YAML file, not this table, to change one.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import yaml

OUT = Path(__file__).resolve().parent.parent / "config" / "connectors"

# depth, success depth, gap between shoulder and face, body height: shared inside a family (thesis 10.3)
FAMILY = {
    "rectangular": (8.0, 6.8, 0.6, 14.0), "d_shaped": (6.5, 5.3, 1.0, 16.0), "keyed": (7.0, 5.8, 0.3, 15.0),
    "hex": (9.0, 7.6, 1.2, 12.0), "round": (8.5, 7.2, 1.0, 18.0), "coaxial": (9.5, 8.2, 0.5, 16.0),
    "multi_pin": (7.0, 5.8, 0.8, 15.0), "studs": (6.0, 4.8, 0.5, 13.0), "bladed": (9.0, 7.6, 0.5, 16.0),
    "two_pin": (9.0, 7.6, 0.8, 15.0), "din": (7.5, 6.3, 0.6, 16.0), "tri_pin": (8.5, 7.2, 0.9, 14.0),
    "square_pegs": (6.5, 5.3, 0.4, 13.0), "three_blades": (8.5, 7.2, 0.7, 15.0), "angled_blades": (8.0, 6.8, 0.6, 14.0),
    "oval": (8.0, 6.8, 0.8, 16.0), "offset_pins": (9.0, 7.6, 0.7, 15.0), "pin_blade": (8.0, 6.8, 0.6, 15.0),
}
# name: (family, width, length, rows, columns, pitch, note)
TABLE: dict[str, tuple] = {
    "type_a_black": ("rectangular", 7.0, 13.0), "type_a_white": ("rectangular", 7.0, 13.0),
    "type_a_brown": ("rectangular", 7.0, 13.0), "type_a_pink": ("rectangular", 7.0, 13.0),
    "type_a_rotated": ("rectangular", 7.0, 13.0), "type_b_brown": ("rectangular", 9.0, 10.0),
    "usb": ("rectangular", 5.5, 12.5), "ethernet_green": ("rectangular", 8.5, 11.5),
    "ethernet_red": ("rectangular", 8.5, 11.5), "ethernet": ("rectangular", 8.5, 11.5),
    "key_copper": ("rectangular", 3.0, 9.0), "key_silver": ("rectangular", 3.0, 9.0),
    "key_pink": ("rectangular", 3.0, 9.0), "craftsman_square": ("rectangular", 9.5, 9.5),
    "vga": ("d_shaped", 16.5, 8.5), "dsub": ("d_shaped", 17.5, 8.0), "dsub_25": ("d_shaped", 22.0, 8.5),
    "dvi": ("d_shaped", 20.0, 9.0), "displayport": ("d_shaped", 15.5, 6.5), "mini_scart": ("d_shaped", 14.0, 9.5),
    "hdmi": ("keyed", 14.0, 6.5), "hdmi_white": ("keyed", 14.0, 6.5), "mini_dp": ("keyed", 9.0, 6.0),
    "usb_b": ("keyed", 8.5, 8.5), "usb_c": ("keyed", 10.0, 5.0), "lightning": ("keyed", 8.5, 5.0),
    "iec_320": ("keyed", 19.0, 14.0),
    "craftsman_6mm": ("hex", 6.0, 0.0), "craftsman_7mm": ("hex", 7.0, 0.0), "craftsman_10mm": ("hex", 10.0, 0.0),
    "craftsman_12mm": ("hex", 12.0, 0.0), "craftsman_14mm": ("hex", 14.0, 0.0),
    "ps2": ("round", 9.5, 0.0), "dx": ("round", 14.0, 0.0), "model_e": ("round", 16.0, 0.0),
    "m12": ("round", 12.0, 0.0), "xlr": ("round", 18.0, 0.0),
    "aux": ("coaxial", 3.5, 0.0), "aux_gold": ("coaxial", 4.5, 0.0), "dc": ("coaxial", 5.5, 0.0),
    "rca_red": ("coaxial", 6.5, 0.0), "rca_yellow": ("coaxial", 6.5, 0.0), "bnc": ("coaxial", 7.5, 0.0),
    "dt2": ("multi_pin", 3.0, 0.0, 2, 1, 7.0), "dt3": ("multi_pin", 3.0, 0.0, 3, 1, 6.5),
    "dt4": ("multi_pin", 3.0, 0.0, 2, 2, 7.0), "dt6": ("multi_pin", 3.0, 0.0, 3, 2, 6.5),
    "dt8": ("multi_pin", 2.6, 0.0, 4, 2, 6.2), "dt12": ("multi_pin", 2.6, 0.0, 6, 2, 6.0),
    "mega_1x1": ("studs", 12.0, 0.0), "mega_2x2": ("studs", 8.5, 0.0, 2, 2, 13.5),
    "nema_1_15": ("bladed", 2.4, 7.0, 1, 1, 12.7), "nema_15": ("bladed", 2.4, 7.0, 2, 1, 12.7),
    "din_3": ("din", 3.0, 0.0, 1, 3, 10.0), "din_4": ("din", 2.8, 0.0, 1, 4, 11.0),
    "din_5": ("din", 2.6, 0.0, 1, 5, 14.0), "din_6": ("din", 2.6, 0.0, 1, 6, 16.0),
    "din_5_wide": ("din", 3.2, 0.0, 1, 5, 20.0), "tri_phase": ("tri_pin", 4.0, 0.0, 1, 1, 14.0),
    "tri_phase_large": ("tri_pin", 5.0, 0.0, 1, 1, 20.0), "tri_phase_small": ("tri_pin", 3.0, 0.0, 1, 1, 11.0),
    "tri_stage": ("tri_pin", 4.5, 0.0, 1, 1, 17.0), "tri_outdoor": ("tri_pin", 3.6, 0.0, 1, 1, 15.0),
    "terminal_1x2": ("square_pegs", 4.5, 4.5, 1, 2, 10.0), "terminal_2x1": ("square_pegs", 4.5, 4.5, 2, 1, 10.0),
    "terminal_2x2": ("square_pegs", 4.0, 4.0, 2, 2, 8.5), "terminal_1x3": ("square_pegs", 4.0, 4.0, 1, 3, 9.0),
    "terminal_3x1": ("square_pegs", 4.0, 6.0, 3, 1, 10.5), "terminal_3x2": ("square_pegs", 3.6, 3.6, 3, 2, 8.0),
    "terminal_4x1": ("square_pegs", 3.6, 3.6, 4, 1, 8.0), "terminal_2x2_wide": ("square_pegs", 6.0, 6.0, 2, 2, 12.0),
    "europlug": ("two_pin", 4.0, 0.0, 1, 1, 17.0), "banana_pair": ("two_pin", 4.0, 0.0, 1, 1, 14.0),
    # the test set: drawn once after every setting was fixed, so nothing was ever chosen by looking at them
    "uk_g": ("three_blades", 4.0, 6.4, 1, 1, 15.0), "aus_i": ("angled_blades", 2.4, 7.0, 1, 1, 13.0),
    "iec_c7": ("oval", 13.5, 7.0), "swiss_j": ("offset_pins", 4.0, 0.0, 1, 1, 19.0),
    "pin_blade_12": ("pin_blade", 4.0, 7.0, 1, 1, 12.0),
}
NAMED = {"black": (0.08, 0.08, 0.08), "white": (0.92, 0.92, 0.9), "brown": (0.42, 0.27, 0.14),
         "pink": (0.93, 0.5, 0.62), "green": (0.1, 0.6, 0.25), "red": (0.8, 0.1, 0.1), "yellow": (0.9, 0.8, 0.1),
         "copper": (0.72, 0.42, 0.22), "silver": (0.75, 0.76, 0.78), "gold": (0.85, 0.68, 0.25)}
HALF_SCALE = {"multi_pin": (0.55, 0.75), "two_pin": (0.55, 0.8), "bladed": (0.55, 0.8),
              "three_blades": (0.55, 0.8), "angled_blades": (0.55, 0.8), "offset_pins": (0.55, 0.8),
              "pin_blade": (0.55, 0.8)}


def apart(family: str, count: int, pitch: float) -> float:
    """Distance between neighbouring parts [mm]."""
    return pitch * float(np.sin(np.pi / count)) if family == "din" else pitch


def colour(rng: np.random.Generator, low: float = 0.05, high: float = 0.95) -> list[float]:
    return [round(float(c), 2) for c in rng.uniform(low, high, 3)]


def look(name: str, family: str, height: float, rng: np.random.Generator) -> dict:
    word = name.rsplit("_", 1)[-1]
    grey = float(rng.uniform(0.55, 0.85))
    background = colour(rng, 0.15, 0.85)
    socket = colour(rng)
    while np.abs(np.array(socket) - background).sum() < 0.35:
        socket = colour(rng)
    return {
        "plug_rgb": list(NAMED[word]) if word in NAMED else colour(rng),
        "contact_rgb": [round(grey * float(t), 2) for t in rng.uniform(0.8, 1.0, 3)],
        "socket_rgb": socket,
        "background_rgb": background,
        "hole_rgb": [round(float(rng.uniform(0.0, 0.12)), 2)] * 3,
        "body_round": family in ("round", "coaxial", "oval") or (family == "hex" and bool(rng.random() < 0.5)),
        "body_mm": [0.0, 0.0, height],
        "socket_margin_mm": round(float(rng.uniform(3.0, 8.0)), 1),
        "light_direction": [round(float(v), 2) for v in (rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8), 1.0)],
        "light_ambient": round(float(rng.uniform(0.45, 0.7)), 2),
        "camera_jitter_mm": [round(float(v), 2) for v in rng.uniform(-2.0, 2.0, 3)],
        "camera_jitter_deg": [round(float(v), 2) for v in rng.uniform(-1.5, 1.5, 3)],
        "clutter": int(rng.integers(0, 5)),
    }


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name, row in TABLE.items():
        family, width, length, rows, columns, pitch = (*row, 1, 1, 0.0)[:3] + (tuple(row[3:]) or (1, 1, 0.0))
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        depth, success, gap, height = FAMILY[family]
        low, high = HALF_SCALE.get(family, (0.5, 0.9))
        clearance, chamfer = round(float(rng.uniform(low, high)), 2), round(float(rng.uniform(0.8, 1.3)), 2)
        if pitch > 0.0 and family in ("multi_pin", "studs", "square_pegs", "din"):
            chamfer = round(min(chamfer, (apart(family, columns, pitch) - max(width, length)) / 2 - clearance - 0.25), 2)  # leave land between holes
        data = {
            "name": name, "family": family,
            "dimensions": {"width_mm": width, "length_mm": length, "rows": rows, "columns": columns,
                           "pitch_mm": pitch},
            "fit": {"clearance_mm": clearance, "chamfer_mm": chamfer,
                    "depth_mm": depth, "success_depth_mm": success, "friction": round(float(rng.uniform(0.1, 0.35)), 2),
                    "holding_force_n": round(float(rng.uniform(1.0, 4.0)), 1), "shoulder_gap_mm": gap},
            "look": look(name, family, height, rng),
            "keyed_angle_deg": 30.0 if name.endswith("rotated") else 0.0,
            "robot": "sawyer_a" if rng.random() < 0.5 else "sawyer_b",
            "variant_of": "type_a_black" if name.startswith("type_a_") and name != "type_a_black" else "",
        }
        text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110)
        (OUT / f"{name}.yaml").write_text(text)
    print(f"{len(TABLE)} connectors in {OUT}")


if __name__ == "__main__":
    main()
