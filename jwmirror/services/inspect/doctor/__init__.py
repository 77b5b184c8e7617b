"""The checks of `jwmirror doctor`: by subject, and the order of them all."""
