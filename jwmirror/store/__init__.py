"""What the disk holds: objects, generations, the view, provenance."""
