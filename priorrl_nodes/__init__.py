"""The ROS 2 shell of priorrl: one node, one file; all computation is a call into priorrl_core."""
