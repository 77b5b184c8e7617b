"""Records about the sky."""
