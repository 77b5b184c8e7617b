"""Searches at MAST: which programs and observations are where, what and when the config says."""
