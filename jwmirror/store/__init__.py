"""The mirror on disk: objects, generations, the view, provenance."""
