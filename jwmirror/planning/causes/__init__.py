"""Causes: why the files of two states of a mirror differ, traced to what changed first."""
