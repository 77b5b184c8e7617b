"""Use cases that check, change or export a mirror outside a run."""
