"""The files of the simulated archive, their records, and the edits of both."""
