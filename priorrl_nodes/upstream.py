"""Who publishes on a topic: the check that there is one upstream only (law 2)."""

from __future__ import annotations

from typing import Any


class SoleUpstream:
    """Watches the publishers of one topic. A node that was killed and restarted under its own name stays in
    DDS discovery for its lease, so publishers are told apart by full node name, not by count."""

    def __init__(self, node: Any, topic: str) -> None:
        self._node, self._topic, self._count = node, topic, 0
        self._names: tuple[str, ...] = ()

    def rivals(self) -> tuple[str, ...]:
        """Full names of the publishing nodes if there are two or more, else empty. Cheap: asks for the
        names only when their number changed."""
        count = self._node.count_publishers(self._topic)
        if count != self._count:
            self._count = count
            found = self._node.get_publishers_info_by_topic(self._topic) if count > 1 else []
            names = {_full_name(info) for info in found}
            known = {n for n in names if not n.endswith("_NODE_NAME_UNKNOWN_")}
            self._names = tuple(sorted(known)) if len(known) > 1 else ()
            if known != names:
                self._count = -1  # discovery is under way: look again next time
        return self._names


def _full_name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
