"""Whether MAST has changed files that it lists without a checksum."""
