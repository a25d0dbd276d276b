"""Robot profiles and kinematics: one YAML file a robot, pure NumPy."""
