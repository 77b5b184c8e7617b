"""`python -m jwmirror.cli` is `jwmirror`."""

from jwmirror.cli import app

app()
