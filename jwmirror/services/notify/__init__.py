"""Summaries of runs, sent to commands of the user."""
