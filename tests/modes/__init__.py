"""What the real pipelines make of each mode of the simulated telescope, and the table of it."""
