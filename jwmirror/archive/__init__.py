"""What MAST and CRDS hold: listings, changes, downloads, reference files."""
