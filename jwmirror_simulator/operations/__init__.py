"""The operational pipeline: associations of a program, and products made by the real jwst."""
