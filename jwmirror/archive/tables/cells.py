"""Cells of MAST's tables as values.

The functions `as_...` return None where a cell says nothing, and raise one of NOT_UNDERSTOOD where
it is not of the kind that its column promises.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

from jwmirror.core.printing import printable

NOT_UNDERSTOOD = (ValueError, TypeError, OverflowError)  # what the functions here raise
HALF_MILLISECOND = timedelta(microseconds=500)  # added because isoformat cuts off, not rounds
MJD_ZERO = datetime(1858, 11, 17) + HALF_MILLISECOND
UNIX_ZERO = datetime(1970, 1, 1)
FIRST_YEAR = 1990  # databases write 1900-01-01 and the like where they know no date
LARGEST_SIZE = 10**18  # bytes
LARGEST_PROGRAM = 99_999
HIGHEST_LEVEL = 9
PLANNED = -1  # calib_level of what is not observed yet
RIGHTS = {"PUBLIC": False, "EXCLUSIVE_ACCESS": True, "RESTRICTED": True}  # -> is it withheld?
FLAGS = {
    **dict.fromkeys(("true", "t", "1", "y"), True),
    **dict.fromkeys(("false", "f", "0", "n"), False),
}
MD5 = re.compile("[0-9a-fA-F]{32}")
MJD = re.compile(r"\d{5}(\.\d*)?")
UNIX_DATE = re.compile(r"/Date\((-?\d{1,17})(?:[+-]\d{4})?\)/")  # the zone is for display only
EMPTY = frozenset(("", "N/A", "--", "null", "NULL", "None", "NaN", "nan", "-1", "-999"))


class TextCache(dict[Any, str | None]):
    """Cells as text, for columns of few values: each text is converted once."""

    def __missing__(self, cell: Any) -> str | None:
        text = as_text(cell)
        if cell is None or type(cell) is str:  # not 1, which equals True
            self[cell] = text
        return text


def as_text(cell: Any) -> str | None:
    """Return a cell as printable text without surrounding spaces."""
    if cell is None:
        return None
    if type(cell) is not str:
        if type(cell) not in (int, float) or not isfinite(cell):
            raise TypeError
        cell = str(cell)
    text = cell.strip()
    if not (text.isascii() and text.isprintable()):  # the fast way for nearly all
        text = printable(text)
    return text if text not in EMPTY else None


def text_or_blank(cell: Any) -> str:
    """Return a cell as text; "" where it says nothing, or is not understood."""
    try:
        return as_text(cell) or ""
    except NOT_UNDERSTOOD:
        return ""


def as_size(cell: Any) -> int | None:
    """Return a number of bytes; no product is empty."""
    if type(cell) is int and 0 < cell <= LARGEST_SIZE:  # the fast way for nearly all
        return cell
    return _whole(cell, 1, LARGEST_SIZE)


def as_level(cell: Any) -> int | None:
    """Return a calibration level; -1 is planned."""
    if type(cell) is int and PLANNED <= cell <= HIGHEST_LEVEL:
        return cell
    return _whole(cell, PLANNED, HIGHEST_LEVEL)


def as_program(cell: Any) -> int | None:
    """Return the number of a program."""
    return _whole(cell, 0, LARGEST_PROGRAM)


def _whole(cell: Any, lowest: int, highest: int) -> int | None:
    """Return a whole number in these bounds, also one written as a text ("100", "100.0")."""
    if cell is None or cell == "":
        return None
    if type(cell) is not int:
        if type(cell) not in (str, float):
            raise TypeError
        number = float(cell)
        if not number.is_integer():
            raise ValueError
        cell = int(cell) if type(cell) is str and cell.strip().isdecimal() else int(number)
    if not lowest <= cell <= highest:
        raise ValueError
    return cell


def as_flag(cell: Any) -> bool | None:
    """Return a cell as true or false."""
    if type(cell) is bool:
        return cell
    if cell is None or cell == "":
        return None
    if type(cell) not in (str, int, float):
        raise TypeError
    text = cell.strip().lower() if type(cell) is str else f"{cell:g}"
    if text not in FLAGS:
        raise ValueError
    return FLAGS[text]


def as_withheld(cell: Any) -> bool | None:
    """Return whether CAOM's dataRights say that a product is withheld."""
    if cell == "PUBLIC":  # of nearly all
        return False
    rights = as_text(cell)
    if rights is not None and rights not in RIGHTS:
        raise ValueError
    return None if rights is None else RIGHTS[rights]


def as_md5(cell: Any) -> str | None:
    """Return MAST's checksum of a file."""
    if type(cell) is str and MD5.fullmatch(cell):
        return cell.lower()
    text = as_text(cell)
    if text and not (type(cell) is str and MD5.fullmatch(text)):
        raise ValueError
    return text and text.lower()


def as_iso(cell: Any, days: Any) -> str | None:
    """Return a date as ISO with milliseconds; `days` counts where `cell` says nothing."""
    moment = as_moment(cell) or as_moment(days)
    return None if moment is None else moment.isoformat("T", "milliseconds")


shared_iso = lru_cache(1 << 16)(as_iso)  # files of one exposure share the date of observation


def as_moment(cell: Any) -> datetime | None:
    """Return a date in UTC, from MJD, ISO text or /Date(ms)/; half a millisecond is added."""
    if type(cell) in (float, int):
        moment = MJD_ZERO + timedelta(cell)
    elif (text := as_text(cell)) is None:
        return None
    elif unix := UNIX_DATE.fullmatch(text):
        moment = UNIX_ZERO + timedelta(milliseconds=int(unix[1]))
    elif MJD.fullmatch(text):
        moment = MJD_ZERO + timedelta(float(text))
    else:
        moment = datetime.fromisoformat(text) + HALF_MILLISECOND
        moment = (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
    if moment.year < FIRST_YEAR:
        raise ValueError
    return moment


# ---- columns ---------------------------------------------------------------------------------


class CellKind(NamedTuple):
    """How cells of a column are read, and what they should be, in words."""

    read: Callable[[Any], object]
    expected: str


TEXT = CellKind(as_text, "text")  # of all other columns
_SIZE = CellKind(as_size, "a number of bytes")
_FLAG = CellKind(as_flag, "true or false")
_PROGRAM = CellKind(as_program, "the number of a program")
_DATE = CellKind(as_moment, "a date")
KINDS = {
    **dict.fromkeys(("size", "fileSize"), _SIZE),
    **dict.fromkeys(("isStale", "isRestricted"), _FLAG),
    **dict.fromkeys(("proposal_id", "program"), _PROGRAM),
    **dict.fromkeys(("date", "publicReleaseDate", "date_obs"), _DATE),
    **dict.fromkeys(("date_mjd", "publicReleaseDate_mjd", "date_obs_mjd"), _DATE),
    "calib_level": CellKind(as_level, "a level"),
    "checksum": CellKind(as_md5, "32 hex digits"),
    "dataRights": CellKind(as_withheld, f"one of {', '.join(RIGHTS)}"),
}
