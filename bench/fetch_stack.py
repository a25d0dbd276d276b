"""Two blocks on the table of FetchPickAndPlace, one to be put on the other (thesis section 5.5.1, N = 2).

The first block lies at its goal already. The scene is Gymnasium-Robotics' own with a second block, written anew for
each environment; its files are read from the installed package.
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import gymnasium_robotics
import numpy as np
import torch
from gymnasium_robotics.envs.fetch.fetch_env import MujocoFetchEnv

from priorrl_core.rewards.stacking import stack_goals

ASSETS = Path(gymnasium_robotics.__file__).parent / "envs" / "assets"
BLOCKS = ("object0", "object1")
APART_M = 0.1
"""Between the blocks, and between each and the gripper, at the start."""
RANGE_M = 0.15
HEIGHT_M = 0.425
"""Of a block's middle on the table."""
START = {"robot0:slide0": 0.405, "robot0:slide1": 0.48, "robot0:slide2": 0.0}


def scene() -> str:
    """pick_and_place.xml with a second block and absolute paths."""
    tree = ET.parse(ASSETS / "fetch" / "pick_and_place.xml")
    root = tree.getroot()
    compiler = root.find("compiler")
    world = root.find("worldbody")
    assert compiler is not None and world is not None
    compiler.set("meshdir", str(ASSETS / "stls" / "fetch"))
    compiler.set("texturedir", str(ASSETS / "textures"))
    for include in root.iter("include"):
        include.set("file", str(ASSETS / "fetch" / include.get("file", "")))
    (first,) = world.findall("body[@name='object0']")
    text = ET.tostring(first, encoding="unicode").replace("object0", "object1")
    world.insert(list(world).index(first) + 1, ET.fromstring(text))
    return ET.tostring(root, encoding="unicode")


class StackEnv(MujocoFetchEnv):
    """Achieved and desired goal (6,): both blocks' places. The observation (28,) has no rotations.

    [gripper 3, blocks 6, blocks - gripper 6, fingers 2, blocks' velocities 6, gripper's 3, fingers' 2].
    """

    def __init__(self, **kwargs: Any) -> None:
        lying = {f"{name}:joint": [1.25 + 0.1 * i, 0.53, HEIGHT_M, 1.0, 0.0, 0.0, 0.0]
                 for i, name in enumerate(BLOCKS)}
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(scene())
            file.flush()
            super().__init__(
                model_path=file.name, has_object=True, block_gripper=False, n_substeps=20, gripper_extra_height=0.2,
                target_in_the_air=False, target_offset=0.0, obj_range=RANGE_M, target_range=RANGE_M,
                distance_threshold=0.05, initial_qpos={**START, **lying}, reward_type="sparse", **kwargs)

    def _reset_sim(self) -> bool:
        super()._reset_sim()
        places: list[np.ndarray] = []
        while len(places) < len(BLOCKS):
            centre = self.initial_gripper_xpos[:2]
            place = centre + self.np_random.uniform(-RANGE_M, RANGE_M, 2)
            if all(np.linalg.norm(place - other) >= APART_M for other in (centre, *places)):
                places.append(place)
        for name, place in zip(BLOCKS, places, strict=True):
            pose = self._utils.get_joint_qpos(self.model, self.data, f"{name}:joint")
            pose[:3] = *place, HEIGHT_M
            self._utils.set_joint_qpos(self.model, self.data, f"{name}:joint", pose)
        self._mujoco.mj_forward(self.model, self.data)
        return True

    def _places(self) -> np.ndarray:
        return np.stack([self._utils.get_site_xpos(self.model, self.data, name) for name in BLOCKS])

    def _sample_goal(self) -> np.ndarray:
        return stack_goals(torch.from_numpy(self._places().ravel())).numpy()

    def _get_obs(self) -> dict[str, np.ndarray]:
        u, model, data, dt = self._utils, self.model, self.data, self.dt
        places, grip = self._places(), u.get_site_xpos(model, data, "robot0:grip")
        grip_speed = u.get_site_xvelp(model, data, "robot0:grip") * dt
        speeds = np.stack([u.get_site_xvelp(model, data, name) for name in BLOCKS]) * dt - grip_speed
        qpos, qvel = u.robot_get_obs(model, data, self._model_names.joint_names)
        obs = [grip, places.ravel(), (places - grip).ravel(), qpos[-2:], speeds.ravel(), grip_speed, qvel[-2:] * dt]
        return {"observation": np.concatenate(obs), "achieved_goal": places.ravel(), "desired_goal": self.goal.copy()}
