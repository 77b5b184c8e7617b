"""Terminal pages of `jwmirror diff`."""
