"""`jwmirror`: look at, check and steer a mirror. Thin: commands read records and print pages."""

from jwmirror.cli.app import app

__all__ = ["app"]
