"""The bench of chapter 9: ``InsertionWorld`` seen by one fixed grey camera, with a connector that wears."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pybullet as p

from priorrl_core.robots.profile import RobotProfile
from priorrl_core.tasks.plug import IMAGE_SIZE, PlugSpec, PlugTask
from priorrl_core.tasks.world import InsertionWorld

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


class PlugWorld(InsertionWorld):
    """``grey`` is the policy's only picture (row 9.10); ``state().image`` stays black and costs nothing."""

    def __init__(self, spec: PlugSpec, task: PlugTask, robot: RobotProfile | None = None, seed: int = 0) -> None:
        super().__init__(spec.connector, robot, task.bench(), seed, images=False)
        self._nominal = spec.connector
        face, camera = np.array(task.socket_xyz_m), task.camera
        self._fixed_view = p.computeViewMatrix(face + camera.eye_m, face + camera.look_at_m, [0.0, 0.0, 1.0])

    def set_contact(self, force_share: float, friction_share: float) -> None:
        """Holding force and friction of the socket as shares of the nominal ones, from the next period on."""
        fit = self._nominal.fit
        worn = replace(fit, holding_force_n=min(fit.holding_force_n * force_share, 20.0),
                       friction=fit.friction * friction_share)
        self.connector = replace(self._nominal, fit=worn)
        self._bullet.changeDynamics(self._socket, -1, lateralFriction=worn.friction)

    def grey(self) -> np.ndarray:
        """uint8 (32, 32): luma of 2 x 2 samples a pixel."""
        look, size = self.connector.look, 2 * IMAGE_SIZE
        _, _, rgba, _, _ = self._bullet.getCameraImage(
            size, size, self._fixed_view, self._projection, lightDirection=look.light_direction, shadow=0,
            lightAmbientCoeff=look.light_ambient, lightDiffuseCoeff=0.6, lightSpecularCoeff=0.1,
            renderer=p.ER_TINY_RENDERER, flags=p.ER_NO_SEGMENTATION_MASK)
        rgb = np.asarray(rgba, np.uint16).reshape(size, size, 4)[..., :3]
        rows = rgb[0::2] + rgb[1::2]
        return np.rint((rows[:, 0::2] + rows[:, 1::2]) / 4.0 @ _LUMA).astype(np.uint8)

    def velocity_m_s(self) -> np.ndarray:
        """Speed (3,) of the tip."""
        return self.pose.jacobian[:3] @ self._dq

    def goal_image(self) -> np.ndarray:
        """What the camera sees with the plug fully in; at start-up only, the arm is set there at once."""
        self.place(self.goal_m)
        return self.grey()
