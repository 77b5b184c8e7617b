"""Commands that check, change or export a mirror."""
