"""The `jwst` pipeline: its parameters, references, associations and keys, and the user's code."""
