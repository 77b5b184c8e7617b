"""The recipes of a config: expanded, checked and returned as records."""
