"""Text from outside, safe to print: each non-printing character becomes a visible escape.

File names, header values, answers of servers, messages of other programs and texts of users may
contain characters that act on a terminal (ESC, BEL, C1 controls), that hide or reorder text (zero
width, marks and overrides of its direction), or that begin a new line.
"""

import io
import json
import locale
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO, TypeVar

import msgspec

T = TypeVar("T")
LINES = "\n\t"  # kept in text that may have several lines
INVISIBLE = re.compile(  # of those that str.isprintable accepts (Unicode: Default_Ignorable)
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
JSON_ESCAPE = re.compile(r"\\[bfnrtu]")  # of a control character


def printable(text: str, kept: str = "") -> str:
    r"""Return a text with escapes such as \x1b for non-printing characters, except those `kept`."""
    return _escaped(text, kept, lambda character: character.encode("unicode_escape").decode())


def printable_json(text: str) -> str:
    r"""Return JSON that means the same, with escapes such as \u009b for non-printing characters."""
    return _escaped(text, LINES, lambda character: json.dumps(character)[1:-1])


def printable_record(record: T) -> T:
    """Return a record, or nested mappings and sequences, whose texts are printable lines."""
    with suppress(UnicodeEncodeError):  # a lone surrogate, which JSON cannot express
        text = msgspec.json.encode(record).decode()
        if _is_printable(text) and not JSON_ESCAPE.search(text):
            return record
    copy: T = _printable_value(record)
    return copy


def wrapped(text: str, stream: TextIO) -> str:
    """Return a text in lines that fit a terminal, broken between words only; else as it is."""
    if stream is None or not getattr(stream, "is_terminal", stream.isatty()):
        return text
    width = shutil.get_terminal_size().columns
    lines = (
        textwrap.wrap(
            line,
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )
    return "\n".join("\n".join(parts) for parts in lines)


def is_plain_locale() -> bool:
    """Return whether the terminal's locale is C or POSIX, where only ASCII is shown."""
    return locale.setlocale(locale.LC_CTYPE) in ("C", "POSIX")


def print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an uncaught exception, as sys.excepthook does."""
    lines = traceback.format_exception(kind, error, trace)
    print(printable("".join(lines), LINES), end="", file=sys.stderr)


@contextmanager
def printable_stderr() -> Iterator[None]:
    """Let everything print to standard error without non-printing characters; then restore it."""
    if sys.stderr is None:  # it was closed when Python started
        yield
        return
    before, sys.stderr = sys.stderr, PrintableStream(sys.stderr)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before


class PrintableStream(io.TextIOWrapper):
    """Standard output or error of a process that prints texts from outside."""

    def __init__(self, stream: TextIO):
        super().__init__(stream.buffer, stream.encoding, "backslashreplace", line_buffering=True)
        self.is_terminal = stream.isatty()

    def close(self) -> None:
        """Write what is left; the buffer belongs to the stream that this one was made of."""
        self.flush()

    def isatty(self) -> bool:
        """Return False: colours would be shown as escapes, too."""
        return False

    def write(self, text: str) -> int:
        """Write a text with escapes for non-printing characters."""
        super().write(printable(text, LINES))
        return len(text)


def _is_printable(text: str) -> bool:
    return text.isprintable() and (text.isascii() or not INVISIBLE.search(text))


def _escaped(text: str, kept: str, escape: Callable[[str], str]) -> str:
    if _is_printable(text):
        return text
    return "".join(c if c in kept or _is_printable(c) else escape(c) for c in text)


def _printable_value(value: Any) -> Any:  # of any type that records have
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, PurePath):
        return type(value)(printable(str(value)))
    if isinstance(value, Mapping):
        return {_printable_value(key): _printable_value(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        items = map(_printable_value, value)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, msgspec.Struct):
        return type(value)(
            **{n: _printable_value(getattr(value, n)) for n in value.__struct_fields__}
        )
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.init]
        return replace(value, **{name: _printable_value(getattr(value, name)) for name in names})
    return value


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 12 min, 3 h 5 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def percent(fraction: float) -> str:
    """Return a fraction in percent; a small one is not rounded to none, nor a large one to all."""
    if 0 < fraction < 1e-4:
        return "<0.01 %"
    if fraction < 0.99 or fraction == 1:
        return f"{100 * fraction:.3g} %"
    return f"{100 * fraction:.2f} %" if fraction < 0.9999 else ">99.99 %"


def signed_percent(change: float) -> str:
    """Return a relative change in percent, with its sign: +27 %."""
    return f"{100 * change:+.0f} %".replace("-", "\u2212")
