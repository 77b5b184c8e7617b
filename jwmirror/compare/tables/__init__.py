"""Differences between tables: FITS extensions, and ECSV files with sources or light curves."""
