"""Commands that help to write a config."""
