"""Answers that are kept in the mirror, and what they depend on."""
