"""Parameters of pipeline steps."""
