"""Sizes, times, counts, tables and lists, formatted for people."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from jwmirror.core.model import Reason
from jwmirror.core.model.history.causes import Cause, ContentChange
from jwmirror.core.model.stored import GONE, PRESENT

STATES = {PRESENT: "listed at MAST", GONE: "no longer listed"}
SHOWN = 20  # lines of a list, unless the user wants all
KINDS = {"marked": "with equal content and new information"}  # of changes, in words
_CONFIG_FOLDER = re.compile(r"\bline (\d+) of .*/")
CHANGES = {  # of files in a generation, in words
    "new": "new",
    "changed": "changed",
    "gone": "gone",
    "marked": "with new information only",
}
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Return a number of bytes with three digits and a decimal unit: 21.3 MB."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = f"{value:.0f}" if unit == 0 or value >= 99.95 else f"{value:.3g}"
    return f"{digits} {UNITS[unit]}"


def minute(iso: str) -> str:
    """Return an ISO time to the minute: 2026-03-01 12:30 UTC."""
    time = datetime.fromisoformat(iso)
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 file, 2 files."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def exclusive_count(files: int, made: int) -> str:
    """Return how many files are exclusive, in words; "" for none."""
    from_them = f"{count(made, 'file')} made from exclusive data" if made else ""
    return " and ".join(
        filter(None, (f"{count(files, 'file')} of MAST" if files else "", from_them))
    )


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers with their runs shortened: 1-3, 5."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def change_signs(counts: dict[str, int]) -> str:
    """Return how many files differ in a generation: +3 ~2 -1 =4; = is for equal content."""
    signs = {"new": "+", "changed": "~", "gone": "-", "marked": "="}
    found = (f"{sign}{counts[kind]}" for kind, sign in signs.items() if counts.get(kind))
    return " ".join(found) or "no difference"


def without_folder(cause: str) -> str:
    """Return a cause in words, with the name of the config file without its folder."""
    return _CONFIG_FOLDER.sub(r"line \1 of ", cause)


def changes_in_words(counts: dict[str, int]) -> str:
    """Return how many files differ in a generation: 3 new, 2 changed, 1 gone."""
    found = (f"{counts[kind]:,} {words}" for kind, words in CHANGES.items() if counts.get(kind))
    return ", ".join(found) or "no difference"


def reason_text(reason: Reason) -> str:
    """Return a reason in words; of a changed state, only the words for the states."""
    old, new = (STATES.get(value, value) for value in (reason.old, reason.new))
    return f"{old} -> {new}" if reason.what == "state" else str(reason)


def why_changed(
    causes: Iterable[Cause],
    content: ContentChange | None,
    reasons: Sequence[Reason],
    verbose: bool = False,
) -> list[str]:
    """Return why a file has another version: its causes, and how the content of MAST's differs.

    Where no cause is known, and if verbose, the differences between the two records.
    """
    words = [cause.words for cause in causes]
    lines = [*words, *([str(content)] if content else [])]
    if verbose:
        return list(dict.fromkeys([*lines, *(each.with_hashes for each in reasons)]))
    return lines if words else [*map(reason_text, reasons), *lines]


def empty_table(title: str, *columns: str, whole: Collection[str] = ()) -> Table:
    """Return a table without rows; a narrow terminal cuts the columns of `whole` last."""
    table = Table(box=None, title=f"\n{title}", title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in whole)
    return table


def section(
    title: str, lines: Sequence[str], all_lines: bool, show_count: bool = True
) -> Iterator[Text]:
    """Yield a list under its title and, by default, its length; nothing for an empty list."""
    if lines:
        yield Text(f"\n{title}{f' ({len(lines):,})' if show_count else ''}", style="bold")
        yield from shortened([f"  {line}" for line in lines], all_lines)


def shortened(lines: Sequence[str], all_lines: bool) -> Iterator[Text]:
    """Yield the first lines, or all; then how many more there are."""
    shown = lines if all_lines else lines[:SHOWN]
    yield from map(Text, shown)
    if len(shown) < len(lines):
        indent = " " * (len(lines[0]) - len(lines[0].lstrip()))
        more = f"{indent}... and {len(lines) - len(shown):,} more; --all lists them"
        yield Text(more, style="dim")
