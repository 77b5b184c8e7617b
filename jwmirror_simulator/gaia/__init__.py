"""A simulated service of star catalogues, as jwst queries it for Gaia."""
