"""Jobs of a run: what each was given, why it ended, and what it requests then."""
