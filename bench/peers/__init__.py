"""What runs in the venv of other libraries (requirements/peers.txt), and the protocol that it speaks."""
