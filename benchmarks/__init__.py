"""Each claim about speed or safety as a comparison that anyone can run: `make bench`."""
