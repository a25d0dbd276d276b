"""The policy versions that a controller has at hand, and which of them acts."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from priorrl.msg import PolicyVersion
from priorrl_core.control.frozen_mlp import FrozenMLP
from priorrl_core.control.policy_head import PolicyHead

KEPT = 6
FROZEN_MLP = "frozen_mlp"
"""Architecture of an actor of TD3 or SAC; every other is a PolicyHead."""


@dataclass
class Head:
    """One policy version, ready to act."""

    version: int
    act: PolicyHead | FrozenMLP
    encoder_hash: str
    config_hash: str


class PolicyShelf:
    """The newest few versions, and the offline one for as long as the process lives."""

    def __init__(self) -> None:
        self.offline: Head | None = None
        self._heads: OrderedDict[int, Head] = OrderedDict()

    def put(self, message: PolicyVersion) -> None:
        """DataError if the bytes are truncated or not a policy."""
        self._heads[message.version] = read(message)
        self._heads.move_to_end(message.version)
        while len(self._heads) > KEPT:
            self._heads.popitem(last=False)

    def put_offline(self, message: PolicyVersion) -> None:
        """DataError if the bytes are truncated or not a policy."""
        self.offline = read(message)

    def newest(self) -> Head | None:
        return self._heads[max(self._heads)] if self._heads else self.offline

    def at_least(self, version: int) -> Head | None:
        """That very version, else the next above it; None where there is none yet."""
        enough = [v for v in self._heads if v >= version]
        return self._heads[min(enough)] if enough else None


def read(message: PolicyVersion) -> Head:
    """DataError if the bytes are truncated, not a policy, or of another architecture than they say."""
    data = message.safetensors.tobytes()
    if message.architecture == FROZEN_MLP:
        return Head(message.version, FrozenMLP.from_bytes(data), message.encoder_hash, message.config_hash)
    head = PolicyHead.from_bytes(data, message.architecture or None)
    return Head(message.version, head, message.encoder_hash, message.config_hash)
