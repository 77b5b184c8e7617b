"""Gaia in the pipeline: which parameters ask for it, and the text of its slices."""
