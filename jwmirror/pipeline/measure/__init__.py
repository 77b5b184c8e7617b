"""Measurements of results: states of steps, fallbacks of the pipeline, quantities of files."""
