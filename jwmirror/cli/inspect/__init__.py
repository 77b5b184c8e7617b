"""Commands that show a mirror and change nothing."""
