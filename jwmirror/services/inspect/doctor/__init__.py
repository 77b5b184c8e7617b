"""The checks of `jwmirror doctor`: one module for each subject, and the order of them all."""
