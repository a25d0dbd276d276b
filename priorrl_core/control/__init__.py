"""Controllers and the safety filter: NumPy only, so that no process that moves a robot loads torch."""
