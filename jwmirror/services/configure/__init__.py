"""Use cases around the config: check it, list what it may set, write a step of your own."""
