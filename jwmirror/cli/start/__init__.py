"""The command that runs the workflow."""
