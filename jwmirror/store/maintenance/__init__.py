"""Verify, repair, prune and export a store."""
