"""A synthetic CRDS context with the structure of a real one, and a server that offers it."""
