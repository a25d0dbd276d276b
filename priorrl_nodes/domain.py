"""A ROS domain for one test or bench, so that its graph hears no other graph of this machine."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path

from priorrl_core.errors import UserError

FIRST, LAST = 20, 99


class Domain:
    """``number`` is a ROS_DOMAIN_ID that no other Domain of this machine holds until ``release``."""

    def __init__(self) -> None:
        for number in range(FIRST, LAST + 1):
            self._file = open(Path(tempfile.gettempdir()) / f"priorrl_domain_{number}.lock", "w")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                continue
            self.number = number
            return
        raise UserError(f"all ROS domains from {FIRST} to {LAST} are in use; end some graphs of this machine")

    def release(self) -> None:
        self._file.close()
