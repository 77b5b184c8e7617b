"""A synthetic but structurally real CRDS context, and a loopback server that offers it."""
