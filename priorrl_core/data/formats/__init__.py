"""Data sets of other tools, in and out, one episode at a time."""
