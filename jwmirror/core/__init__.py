"""What every package uses: errors, files, JSON, names; the records are in `model`."""
