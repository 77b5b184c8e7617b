"""The text of a slice: a line with its cone, and the service's answer as it came (CSV).

stcal reads the answer with astropy (format csv, comment "#"), so columns, order of the rows and
digits must stay those of the service.
"""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from jwmirror.core.model import canonical, parse
from jwmirror.core.model.sky.slices import CatalogueCone

NO_STARS = "No data records"  # begins the answer for a cone without stars (stcal 1.20)
COMMENT = "#"
ANNOUNCED = re.compile(r"Objects found\s*:\s*(\d+)", re.IGNORECASE)
HEAD = "# jwmirror slice "  # begins the line with the cone


@dataclass(frozen=True)
class StarRow:
    """One star of an answer: its line, with its end, and its values by column."""

    line: str
    values: dict[str, str]

    @property
    def ra(self) -> float:
        """Right ascension at the epoch of the answer, in degrees."""
        return _number(self.values["ra"])

    @property
    def dec(self) -> float:
        """Declination at the epoch of the answer, in degrees."""
        return _number(self.values["dec"])

    @property
    def motion(self) -> float:
        """Proper motion in mas per year; 0 of stars without one."""
        parts = (self.values.get(name, "") for name in ("pmra", "pmdec"))
        return math.hypot(*(float(part) if part.strip() else 0.0 for part in parts))


def columns_of(answer: str) -> list[str]:
    """Return the names of the columns of an answer; [] without any."""
    line = column_line(answer)
    return _values(line) if line else []


def column_line(answer: str) -> str:
    """Return the line with the names of the columns; "" without one."""
    lines = (line for line in answer.splitlines(keepends=True) if _has_values(line))
    return next(lines, "")


def star_rows(answer: str) -> Iterator[StarRow]:
    """Yield the stars of an answer, in order.

    Raises:
        ValueError: a row has more or fewer values than there are columns.
    """
    if answer.startswith(NO_STARS):
        return
    lines = [line for line in answer.splitlines(keepends=True) if _has_values(line)]
    columns = columns_of(answer)
    for number, line in enumerate(lines[1:], start=1):
        values = _values(line)
        if len(values) != len(columns):
            raise ValueError(f"row {number}: expected {len(columns)} values, found {len(values)}")
        yield StarRow(line, dict(zip(columns, values, strict=True)))


def announced_stars(answer: str) -> int | None:
    """Return the number of stars that a comment announces (# Objects found : 12); None without."""
    comments = (line for line in answer.splitlines() if line.startswith(COMMENT))
    found = (ANNOUNCED.search(line) for line in comments)
    return next((int(match[1]) for match in found if match), None)


def slice_text(cone: CatalogueCone, answer: str) -> str:
    """Return the text of a slice: its cone, then the answer."""
    return f"{HEAD}{canonical(cone)}\n{answer}"


def read_slice(text: str) -> tuple[CatalogueCone, str]:
    """Return the cone and the answer in the text of a slice; ValueError if it is another text."""
    head, _, answer = text.partition("\n")
    if not head.startswith(HEAD):
        raise ValueError(f"expected a line that begins with {HEAD.strip()!r}, found {head[:80]!r}")
    return parse(head.removeprefix(HEAD), CatalogueCone), answer


def part_of_answer(answer: str, cone: CatalogueCone) -> str:
    """Return what the service would answer for a smaller cone, from its answer for a larger one."""
    stars = [row.line for row in star_rows(answer) if cone.distance(row.ra, row.dec) <= cone.radius]
    return column_line(answer) + "".join(stars) if stars else NO_STARS


def _values(line: str) -> list[str]:
    return [value.strip() for value in next(csv.reader([line]))]


def _has_values(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(COMMENT)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected a number, found {text!r}")
    return value
