"""Compares two versions of one file: what they say, and how far it differs."""
