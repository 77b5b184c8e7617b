"""Runs of the workflow by `jwmirror run`: Snakemake as a child process, progress, and a summary."""
