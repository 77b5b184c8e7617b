"""`python -m jwmirror` is `jwmirror`."""

from jwmirror.cli import app

if __name__ == "__main__":
    app(prog_name="jwmirror")
