"""Each claim about speed, as a comparison that anyone can run: `python -m benchmarks [NAME...]`."""
