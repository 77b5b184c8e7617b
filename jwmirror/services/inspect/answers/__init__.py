"""Answers to questions about files: what they are, what there is, how to cite it."""
