"""Natural rewards in the graph: joins by stamp what the graph says of one observation, then asks the task."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from priorrl.msg import Goal
from priorrl_core.errors import DataError
from priorrl_core.rewards.natural import Judgement
from priorrl_core.tasks.kinds import TaskKind
from priorrl_core.tasks.plug import Seen
from priorrl_nodes.doing import keep
from priorrl_nodes.messages import force_of, grey_array, tip_of

PARTS = ("state", "signal", "image", "objects")
NEEDS = {"dense": ("state",), "sparse": ("state", "signal"), "image": ("state", "image"),
         "assembly": ("state", "objects")}
_KEPT = 100


class NaturalJudge:
    """``put`` each message as it comes; ``verdict`` is the reward once all parts that the mode needs are here."""

    def __init__(self, kind: TaskKind) -> None:
        self.kind, self.goal = kind, Goal()
        self._parts: dict[str, OrderedDict[int, Any]] = {name: OrderedDict() for name in PARTS}

    def put(self, name: str, stamp_ns: int, value: Any) -> None:
        keep(self._parts[name], stamp_ns, value, _KEPT)

    def verdict(self, mode: str, stamp_ns: int) -> Judgement | None:
        """DataError where there is no goal."""
        have = {name: self._parts[name].get(stamp_ns) for name in NEEDS[mode]}
        if any(value is None for value in have.values()):
            return None
        if not self.goal.episode_id:
            raise DataError("no goal was proposed yet; start the goal_proposer")
        goal_image = grey_array(self.goal.image) if mode == "image" else None
        state = have["state"]
        seen = Seen(tip_of(state), float(force_of(state)[2]), np.array(self.goal.position_m),
                    bool(have.get("signal")), have.get("image"), goal_image)
        return self.kind.judge(mode, seen, have.get("objects"))
