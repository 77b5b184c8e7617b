"""The `jwmirror` command. A command parses its arguments, calls one use case, and prints."""

from jwmirror.cli.app import app

__all__ = ["app"]
