"""What the controller is doing: the mode that SetMode asked for, and how far it is."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from priorrl.msg import CartesianCommand
from priorrl.srv import SetMode
from priorrl_core.control.exploration import Exploration
from priorrl_core.control.search import Search
from priorrl_nodes.policy_shelf import Head


@dataclass
class Task:
    """What SetMode asked for, and how far it is."""

    request: SetMode.Request
    goal_m: np.ndarray
    target_m: np.ndarray
    rng: np.random.Generator
    """Of the exploration."""
    noise: np.random.Generator
    """Of the task's control noise."""
    head: Head | None = None
    exploration: Exploration | None = None
    search: Search | None = None
    session: int | None = None
    steps: int = 0
    answered: int | None = None
    sent: CartesianCommand | None = None
    waiting_for: str = "state"
    moved_s: float = field(default_factory=time.monotonic)


def keep(store: OrderedDict, key: int, value: object, most: int) -> None:
    """Puts ``value`` into ``store``, which holds the newest ``most``."""
    store[key] = value
    store.move_to_end(key)
    while len(store) > most:
        store.popitem(last=False)
