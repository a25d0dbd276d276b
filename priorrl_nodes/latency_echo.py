"""The yardstick of the latency bench: the least that a ROS 2 node in Python can do with an image.

``python -m priorrl_nodes.latency_echo plain|events``: sends each image of ``bench/<kind>/image`` back on
``bench/<kind>/echo``, under rclpy's default executor or under the one that our nodes use.
"""

from __future__ import annotations

import contextlib
import gc
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import Image

from priorrl_nodes.lifecycle import make_executor
from priorrl_nodes.qos import CONTROL


def main(kind: str) -> None:
    rclpy.init()
    node = rclpy.create_node(f"echo_{kind}")
    echo = node.create_publisher(Image, f"bench/{kind}/echo", CONTROL)
    node.create_subscription(Image, f"bench/{kind}/image", echo.publish, CONTROL)
    gc.collect()
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        if kind == "plain":
            rclpy.spin(node)
        executor = make_executor()
        executor.add_node(node)
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.5)
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
