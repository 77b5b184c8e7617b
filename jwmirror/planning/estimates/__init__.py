"""Estimates of what stages need, and the jobs that are cut by them."""
