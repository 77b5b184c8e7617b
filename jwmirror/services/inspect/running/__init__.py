"""Runs that go on: their records on the disk, and how far they are."""
