"""The use cases that change a mirror outside a run."""
