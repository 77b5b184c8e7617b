"""The rows of manifests, compared."""
