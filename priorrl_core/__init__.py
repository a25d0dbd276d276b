"""Everything of priorrl that is not ROS: NumPy, PyTorch, PyBullet. Never imports rclpy."""

__version__ = "0.1.0"
