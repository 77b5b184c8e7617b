"""MAST: listings of programs, their changes against the mirror, and downloads."""
