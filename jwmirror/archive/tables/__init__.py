"""The tables of MAST: queries through astroquery, and rows as records."""
