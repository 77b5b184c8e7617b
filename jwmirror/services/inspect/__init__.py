"""The use cases that look at a mirror."""
