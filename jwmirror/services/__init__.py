"""Use cases: one module per rule or command."""
