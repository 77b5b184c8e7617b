"""Astrometry: slices of Gaia, fetched for the fields of mosaics and stored in the mirror."""
