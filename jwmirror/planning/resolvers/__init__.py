"""Parameters and references of an exposure, resolved by the jwst of each Python environment."""
