"""Quantities and times as people read them."""

from collections.abc import Collection
from datetime import datetime

from rich.table import Table


def empty_table(title: str, *columns: str, whole: Collection[str] = ()) -> Table:
    """An empty table; in a narrow terminal the columns of `whole` are cut last."""
    table = Table(box=None, title=f"\n{title}", title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in whole)
    return table


STEPS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """A number of bytes in three digits and a decimal unit: 21.3 MB."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(STEPS) - 1:
        value, unit = value / 1000, unit + 1
    digits = f"{value:.0f}" if unit == 0 or value >= 99.95 else f"{value:.3g}"
    return f"{digits} {STEPS[unit]}"


def minute(iso: str) -> str:
    """An ISO time to the minute: 2026-03-01 12:30 UTC."""
    when = datetime.fromisoformat(iso)
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".strip()


def count(number: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 file, 2 files."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def change_counts(counts: dict[str, int]) -> str:
    """What a generation changed against its parent: +3 ~2 -1 (and 4 marked)."""
    plain = " ".join(
        f"{sign}{counts[kind]}"
        for sign, kind in (("+", "new"), ("~", "changed"), ("-", "gone"))
        if counts.get(kind)
    )
    marked = f"({counts['marked']} marked)" if counts.get("marked") else ""
    return f"{plain} {marked}".strip() or "no difference"
