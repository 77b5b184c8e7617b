"""What is out of date, and why: plans of exposures and associations."""
