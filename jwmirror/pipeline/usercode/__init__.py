"""The user's own functions, modules and files."""
