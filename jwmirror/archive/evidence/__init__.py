"""Whether MAST has changed files of which it lists no checksum."""
