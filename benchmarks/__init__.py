"""Benchmarks: each claim about speed or safety as a comparison that can be repeated."""
