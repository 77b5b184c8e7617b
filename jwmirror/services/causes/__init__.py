"""Why the files of generations differ: what is read for it, and what is kept."""
