"""Building the site of a mirror: what each page shows, and which pages must be written again."""
