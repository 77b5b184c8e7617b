"""Printing: a page for people, lines of text, or JSON; texts in them may be from outside."""

import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec
from rich.console import Console, RenderableType

from jwmirror.core.printing import printable, printable_json, printable_record

T = TypeVar("T")


def show(result: T, page_of: Callable[[T], RenderableType], as_json: bool) -> None:
    """Print a result: its page, or its fields as JSON."""
    if as_json:
        print_json(result)
    else:
        # a pipe or file gets lines so wide that file names are not cut
        console = Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)
        console.print(page_of(printable_record(result)))


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        print(printable(line))


def print_json(value: object) -> None:
    """Print a value as JSON with sorted keys."""
    try:
        encoded = msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:  # a lone surrogate, which JSON cannot express
        encoded = msgspec.json.encode(printable_record(value), order="sorted")
    print(printable_json(msgspec.json.format(encoded, indent=2).decode()))
