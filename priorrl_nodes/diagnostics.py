"""Says on ``diagnostics`` what a node cannot use, once per change and not at the rate of the bad input."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus


class Diagnostics:
    """The newest condition of one node; publishes and logs when it changes, and again after ``REPEAT``."""

    REPEAT = 100

    def __init__(self, node: Any, publisher: Any) -> None:
        self._node, self._publisher = node, publisher
        self.message, self._count = "", 0

    def error(self, message: str) -> None:
        """An input is refused because of ``message``; the node goes on."""
        self._count = 0 if message != self.message else self._count + 1
        self.message = message
        if self._count % self.REPEAT == 0:
            self._node.get_logger().error(message)
            self._publish(DiagnosticStatus.ERROR, message)

    def good(self) -> None:
        """An input was used."""
        if self.message:
            self.message = ""
            self._publish(DiagnosticStatus.OK, "OK")

    def _publish(self, level: bytes, message: str) -> None:
        out = DiagnosticArray()
        out.header.stamp = self._node.get_clock().now().to_msg()
        out.status = [DiagnosticStatus(level=level, name=self._node.get_name(), message=message)]
        self._publisher.publish(out)
