"""Simulated programs with and without troubles, calibrated and judged as a run does it."""
