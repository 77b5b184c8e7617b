"""MAST's tables: their columns, and their rows made from the archive's files."""
