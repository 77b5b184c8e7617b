"""Records of how states of a mirror differ, and why."""
