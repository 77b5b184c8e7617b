"""Printing: a page for people, or JSON."""

import sys
from typing import Any

import msgspec
from rich.console import Console, RenderableType


def show(result: Any, page: RenderableType, as_json: bool) -> None:
    """Print a result: its page, or its fields as JSON."""
    if as_json:
        print_json(result)
    else:
        # a pipe or file gets lines so wide that file names are not cut
        console = Console() if sys.stdout.isatty() else Console(width=200)
        console.print(page)


def print_json(value: Any) -> None:
    """Print a value as JSON with sorted keys."""
    encoded = msgspec.json.encode(value, order="sorted")
    print(msgspec.json.format(encoded, indent=2).decode())
