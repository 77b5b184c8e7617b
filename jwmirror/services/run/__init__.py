"""The use cases of the workflow's rules."""
