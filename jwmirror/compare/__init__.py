"""Comparison of two versions of one file."""
