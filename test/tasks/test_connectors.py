"""Connector files: enough of them, split by family, and clear words for a wrong one."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from priorrl_core.errors import ConfigError
from priorrl_core.tasks import shapes
from priorrl_core.tasks.connectors import connector_dir, families, list_connectors, load_connector, split
from priorrl_core.tasks.task import load_task


def test_10_02_fifty_connectors_in_five_families_two_robots() -> None:
    specs = [load_connector(name) for name in list_connectors()]
    assert len(specs) >= 50
    assert len(families()) >= 5
    assert len({s.robot for s in specs}) == 2
    assert len({s.look.background_rgb for s in specs}) == len(specs)


def test_10_02_families_share_success_depth() -> None:
    for names in families().values():
        assert len({load_connector(n).fit.success_depth_mm for n in names}) == 1


def test_10_18_no_family_is_on_both_sides_of_the_split() -> None:
    train, held_out = split(load_task().held_out_families)
    assert not {load_connector(n).family for n in train} & {load_connector(n).family for n in held_out}
    assert sorted(train + held_out) == list_connectors()
    variants = {load_connector(n).variant_of for n in train} - {""}
    assert variants <= set(train)


@pytest.mark.parametrize("name", list_connectors())
def test_hole_is_larger_than_plug_by_the_clearance_everywhere(name: str) -> None:
    spec = load_connector(name)
    for part in shapes.parts(spec):
        hole = shapes.offset(part.outline, spec.fit.clearance_mm * 1e-3)
        for a, b in zip(hole, np.roll(hole, -1, axis=0), strict=True):
            edge = (b - a) / np.linalg.norm(b - a)
            gaps = (part.outline - a) @ np.array([-edge[1], edge[0]])
            assert gaps.min() == pytest.approx(spec.fit.clearance_mm * 1e-3, abs=1e-9)


@pytest.mark.parametrize(
    "name", ["dt12", "mega_2x2", "nema_15", "usb", "uk_g", "aus_i", "iec_c7", "swiss_j", "pin_blade_12"]
)
def test_walls_never_reach_into_a_hole(name: str) -> None:
    spec = load_connector(name)
    holes = [shapes.offset(p.outline, spec.fit.clearance_mm * 1e-3 - 1e-6) for p in shapes.parts(spec)]
    for solid in shapes.socket(spec):
        if solid.paint == "hole" or solid.rpy[0] != 0.0:
            continue
        c, s = np.cos(solid.rpy[2]), np.sin(solid.rpy[2])
        corners = shapes.rectangle(solid.size[0], solid.size[1]) @ np.array([[c, s], [-s, c]]) + solid.centre[:2]
        assert not any(shapes.overlap(corners, hole) for hole in holes)


def test_offset_of_a_square_is_a_larger_square() -> None:
    grown = shapes.offset(shapes.rectangle(0.02, 0.01), 0.001)
    assert np.allclose(grown, shapes.rectangle(0.022, 0.012))


def _broken(tmp_path, **change):  # type: ignore[no-untyped-def]
    data = yaml.safe_load((connector_dir() / "usb.yaml").read_text())
    for key, value in change.items():
        section, _, name = key.partition("__")
        if name:
            data[section][name] = value
        else:
            data[section] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(("change", "words"), [
    ({"fit__clearence_mm": 0.3}, "did you mean 'clearance_mm'"),
    ({"family": "retangular"}, "did you mean 'rectangular'"),
    ({"fit__clearance_mm": -1.0}, "clearance_mm is -1.0"),
    ({"fit__depth_mm": "deep"}, "must be float"),
    ({"fit__friction": float("nan")}, "NaN"),
    ({"look__plug_rgb": [1, 2]}, "must have 3 entries"),
])
def test_a_wrong_connector_file_is_named_with_its_fix(tmp_path, change, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=words):
        load_connector(_broken(tmp_path, **change))


def test_unknown_connector_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'europlug'"):
        load_connector("euro_plug")
