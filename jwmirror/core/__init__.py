"""The ground floor that every package uses: errors, files, JSON, names; records in `model`."""
