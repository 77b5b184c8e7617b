"""Records of the jobs of a run."""
