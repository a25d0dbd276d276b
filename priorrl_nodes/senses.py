"""What the messages of one observation mean to a base controller and to a position policy."""

from __future__ import annotations

import numpy as np

from priorrl.msg import RobotState
from priorrl_core.control.base_controllers import RobotState as Sensed
from priorrl_core.robots.kinematics import Kinematics
from priorrl_nodes.messages import force_of, tip_of


def sensed(kinematics: Kinematics, state: RobotState, step: int) -> Sensed:
    """s_m of a base controller; the tip's velocity is the Jacobian's, as in the worlds."""
    q, dq = np.asarray(state.position_rad, np.float64), np.asarray(state.velocity_rad_s, np.float64)
    velocity = kinematics.jacobian(q)[:3] @ dq if len(dq) else np.zeros(3)
    return Sensed(tip_of(state), velocity, force_of(state), step)
