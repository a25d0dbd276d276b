"""Learned rewards: the DAIB success classifier with its ablations, and what is known about its errors."""
