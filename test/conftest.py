"""For all tests: order, isolation from other ROS 2 graphs of the machine, one thread a process.

A test in test/nodes is marked ``ros`` and one in test/e2e ``e2e`` by its place; they run last. The session's
ROS_DOMAIN_ID is nobody else's, also when two suites run on one machine.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
ORDER = {"unit": 0, "ros": 1, "e2e": 2}
DOMAINS = range(100, 10, -1)  # above 101 the ports of DDS meet the operating system's ephemeral ones

for folder in sorted(HERE.iterdir()):  # helper modules beside the tests import by their bare name
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.append(str(folder))


def _kind(item: pytest.Item) -> str:
    return next((kind for kind in ("e2e", "ros") if item.get_closest_marker(kind)), "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks by folder; unit tests first, then ROS, then end to end."""
    for item in items:
        room = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if room == "nodes":
            item.add_marker(pytest.mark.ros)
        elif room == "e2e":
            item.add_marker(pytest.mark.e2e)
    items.sort(key=lambda item: ORDER[_kind(item)])


@pytest.fixture(scope="session", autouse=True)
def ros_domain() -> Iterator[int]:
    """A ROS domain for this session alone, held by a lock file; discovery stays on this machine."""
    for number in DOMAINS:
        lock = open(Path(tempfile.gettempdir(), f"priorrl_domain_{number}.lock"), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        os.environ.update(ROS_DOMAIN_ID=str(number), ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
        yield number
        lock.close()
        return
    raise RuntimeError(f"all ROS domains {DOMAINS.stop + 1} to {DOMAINS.start} are taken by other test runs")
