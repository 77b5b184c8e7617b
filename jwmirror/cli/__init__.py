"""`jwmirror`: look at, check and steer a mirror. Thin: commands read records and print pages."""

from jwmirror.cli import (  # noqa: F401
    adopting,
    checking,
    checkouts,
    comparing,
    events,
    explaining,
    freezing,
    history,
    looking,
    parameters,
    references,
    scaffolding,
    steering,
    verifying,
)
from jwmirror.cli.app import app

__all__ = ["app"]
