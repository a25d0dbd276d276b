"""The robot's profile: strict, and the same robot as its URDF."""

from __future__ import annotations

import dataclasses
import importlib.util
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import yaml

from priorrl_core.config import ROOT, config_dir
from priorrl_core.errors import ConfigError
from priorrl_core.robots.profile import RobotProfile, list_robots, load_robot

ROBOT = load_robot()
URDF = ET.parse(ROOT / ROBOT.urdf).getroot()


def joint(name: str) -> ET.Element:
    found = [j for j in URDF.findall("joint") if j.get("name") == name]
    assert len(found) == 1
    return found[0]


def numbers(element: ET.Element, tag: str, key: str) -> list[float]:
    return [float(v) for v in element.find(tag).get(key).split()]


def written(tmp_path, **changes):
    data = yaml.safe_load((config_dir() / "robots" / "sawyer.yaml").read_text())
    data.update(changes)
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}))
    return path


def test_profile_and_urdf_are_the_same_robot():
    for i, name in enumerate(ROBOT.joint_names):
        element = joint(name)
        assert numbers(element, "origin", "xyz") == pytest.approx(ROBOT.joints[i].xyz_m)
        assert numbers(element, "origin", "rpy") == pytest.approx(ROBOT.joints[i].rpy_rad)
        limit = element.find("limit")
        assert float(limit.get("lower")) == ROBOT.lower_rad[i]
        assert float(limit.get("upper")) == ROBOT.upper_rad[i]
        assert float(limit.get("velocity")) == ROBOT.velocity_limit_rad_s[i]
        assert float(limit.get("effort")) == ROBOT.effort_limit_nm[i]
    assert numbers(joint("right_hand"), "origin", "xyz") == pytest.approx(ROBOT.hand_xyz_m)
    assert numbers(joint("right_hand"), "origin", "rpy") == pytest.approx(ROBOT.hand_rpy)
    tip = numbers(joint("right_gripper_tip_joint"), "origin", "xyz")
    assert tip == pytest.approx([0, 0, ROBOT.tip_offset_m])


def test_urdf_inertias_are_physical_and_seven_joints_move():
    for link in URDF.findall("link"):
        assert link.find("inertial") is not None, f"{link.get('name')}: PyBullet would take 1 kg"
        inertia = {k: float(v) for k, v in link.find("inertial/inertia").attrib.items()}
        matrix = np.array([[inertia["ixx"], inertia["ixy"], inertia["ixz"]],
                           [inertia["ixy"], inertia["iyy"], inertia["iyz"]],
                           [inertia["ixz"], inertia["iyz"], inertia["izz"]]])
        a, b, c = np.linalg.eigvalsh(matrix)
        assert a > 0.0 and a + b >= 0.999 * c
    moving = [j.get("name") for j in URDF.findall("joint") if j.get("type") != "fixed"]
    assert moving == list(ROBOT.joint_names)


def test_urdf_is_what_the_xacro_gives():
    pytest.importorskip("xacro")
    spec = importlib.util.spec_from_file_location("generate", ROOT / "urdf" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.text() == (ROOT / "urdf" / "sawyer.urdf").read_text(), "run: python urdf/generate.py"


def test_unknown_robot_names_the_nearest():
    assert "sawyer" in list_robots()
    with pytest.raises(ConfigError, match="did you mean 'sawyer'"):
        load_robot("sawer")


@pytest.mark.parametrize(("changes", "message"), [
    ({"forcebudget_n": 3.0}, "unknown key 'forcebudget_n'; did you mean 'force_budget_n'"),
    ({"home_rad": None}, "'home_rad' is missing"),
    ({"home_rad": [0.0] * 6}, "has 6 entries for 7 joints"),
    ({"home_rad": [4.0] + [0.0] * 6}, "outside its limits"),
    ({"force_budget_n": 0.0}, "must be positive"),
    ({"workspace_upper_m": [0.1, 0.1, 0.1]}, "workspace box is empty"),
    ({"torque_limit_nm": [99, 80, 40, 40, 9, 9, 9]}, "exceeds 'effort_limit_nm'")])
def test_wrong_profiles_are_refused_in_one_sentence(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_robot(written(tmp_path, **changes))


def test_profile_is_frozen_and_loads_from_a_path(tmp_path):
    robot = load_robot(written(tmp_path, force_budget_n=33))
    assert isinstance(robot, RobotProfile) and robot.force_budget_n == 33.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        robot.force_budget_n = 1.0
