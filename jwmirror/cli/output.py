"""Printing: a page for people, lines of text, or JSON; texts in them may be from outside."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import msgspec
from rich.console import Console, RenderableType

from jwmirror.core.errors import ConfigError
from jwmirror.core.printing import printable, printable_json, printable_record, wrapped

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
        print(wrapped(printable(line), sys.stdout))


def print_json(record: object) -> None:
    """Print a record as JSON with sorted keys; keys whose value is the default are there, too."""
    value = _with_all_keys(record)
    try:
        encoded = msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:  # a lone surrogate, which JSON cannot express
        encoded = msgspec.json.encode(printable_record(value), order="sorted")
    print(printable_json(msgspec.json.format(encoded, indent=2).decode()))


def print_json_error(error: BaseException, text: str, exit_code: int) -> None:
    """Print an error as JSON, in place of the answer: its kind, message, mistakes, exit code."""
    mistakes = error.mistakes if isinstance(error, ConfigError) else []
    kind = type(error).__name__
    print_json(
        {"error": {"kind": kind, "message": text, "mistakes": mistakes, "exit_code": exit_code}}
    )


def _with_all_keys(value: Any) -> Any:  # of any type that records have
    """Return a record as nested dicts and lists; the records on disk leave out some defaults."""
    if isinstance(value, msgspec.Struct):
        return {name: _with_all_keys(getattr(value, name)) for name in value.__struct_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _with_all_keys(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: _with_all_keys(item) for name, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_with_all_keys(item) for item in value]
    return value
