"""The quality of a run's results: the evidence for it, and what is published because of it."""
