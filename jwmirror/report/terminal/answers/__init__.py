"""Terminal pages of answers to questions about files."""
