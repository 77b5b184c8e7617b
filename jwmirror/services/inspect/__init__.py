"""Use cases that show a mirror and change nothing."""
