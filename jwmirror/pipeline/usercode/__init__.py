"""Functions, modules and files of the user's own."""
