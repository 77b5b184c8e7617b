"""Rows of MAST's tables as records: columns must be there, and values of the right kind.

First the rows as MAST sends them, then the records, then the reading of rows and of single cells.
Column names and spellings of values are those of answers recorded from MAST.
"""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from jwmirror.core.errors import ArchiveError, failures_as
from jwmirror.core.printing import printable

OBSERVATION_COLUMNS = ("obsid", "instrument_name", "calib_level", "proposal_id")
PRODUCT_COLUMNS = (
    *("dataURI", "productFilename", "obsID", "size", "calib_level"),
    *("prvversion", "dataRights", "productGroupDescription"),
)
KEYWORD_COLUMNS = (  # requested from every keyword table
    *("checksum", "fileSize", "date_mjd", "cal_ver", "crds_ctx", "sdp_ver"),
    *("isStale", "isRestricted", "publicReleaseDate_mjd"),
    *("instrume", "detector", "exp_type", "subarray", "program", "date_obs_mjd"),
)
TABLE_COLUMNS = {  # requested from one keyword table
    "Nircam": ("filename", "filter", "pupil"),
    "Niriss": ("filename", "filter", "pupil"),
    "Nirspec": ("filename", "filter", "grating"),
    "Miri": ("filename", "filter"),
    "Fgs": ("filename",),
    "GuideStar": ("fileName",),
}
ALTERNATIVES = {  # columns that MAST may send instead
    "filename": "fileName",
    "fileName": "filename",
    "date_mjd": "date",
    "publicReleaseDate_mjd": "publicReleaseDate",
    "date_obs_mjd": "date_obs",
}


Row = Any  # of a class made by `_row_type`; its cells are of any JSON type


def _row_type(*columns: str) -> type[Row]:
    """Return a class of rows with these columns; None where a row lacks one."""
    return msgspec.defstruct("Row", [(name, Any, None) for name in columns], gc=False)


ObservationRow = _row_type(*OBSERVATION_COLUMNS, "obs_id")
ProductRow = _row_type(*PRODUCT_COLUMNS)
KeywordRow = _row_type(
    *dict.fromkeys(
        chain(KEYWORD_COLUMNS, *TABLE_COLUMNS.values(), ALTERNATIVES, ALTERNATIVES.values())
    )
)


class MastTable(NamedTuple):
    """Rows of one table, and the columns of its first row."""

    rows: list[Row]
    columns: frozenset[str] = frozenset()

    def require(self, name: str, columns: Iterable[str]) -> None:
        """Raise ArchiveError naming the columns that the table called `name` lacks."""
        known = self.columns
        lacking = [c for c in columns if c not in known and ALTERNATIVES.get(c) not in known]
        if self.rows and lacking:
            raise ArchiveError(
                f"MAST's table {name}: expected columns {', '.join(lacking)}, found only "
                f"{', '.join(sorted(known)[:40])}; MAST changed its vocabulary, and without these "
                "columns a change could go unseen; nothing was changed; report this to jwmirror."
            )


# ---- records ---------------------------------------------------------------------------------


class CaomObservation(NamedTuple):
    """One group of products in CAOM, MAST's data model."""

    obsid: str
    instrument: str | None  # NIRCAM
    is_planned: bool
    name: str = ""  # obs_id, which begins like the names of its files; "" if absent


class CaomProduct(msgspec.Struct, frozen=True, gc=False):
    """One file that CAOM lists under an observation."""

    uri: str
    filename: str
    obsid: str
    size: int | None  # bytes
    level: int | None
    cal_ver: str | None
    is_withheld: bool
    group: str | None = None  # Minimum Recommended Products


class KeywordRecord(msgspec.Struct, frozen=True, gc=False):
    """One file's row in a keyword table."""

    filename: str
    checksum: str | None = None  # MD5
    size: int | None = None  # bytes
    date: str | None = None
    cal_ver: str | None = None
    crds_ctx: str | None = None
    sdp_ver: str | None = None
    is_stale: bool = False
    is_withheld: bool = False
    release_date: str | None = None
    instrument: str | None = None
    detector: str | None = None
    filter: str | None = None
    pupil: str | None = None
    exp_type: str | None = None
    subarray: str | None = None
    grating: str | None = None
    date_obs: str | None = None


NO_RECORD = KeywordRecord(filename="")  # of a file that is in no keyword table


def read_observations(table: MastTable, program: int) -> list[CaomObservation]:
    """Return the observations of a program."""
    name = "Mast.Caom.Filtered"
    table.require(name, OBSERVATION_COLUMNS)
    with _unreadable_cells(name):
        return [
            CaomObservation(
                obsid=str(row.obsid),
                instrument=(as_text(row.instrument_name) or "").partition("/")[0].upper() or None,
                is_planned=row.calib_level == -1,
                name=as_text(row.obs_id) or "",
            )
            for row in table.rows
            if as_int(row, "proposal_id") == program
        ]


def read_products(table: MastTable) -> list[CaomProduct]:
    """Return the files that rows of Mast.Caom.Products describe."""
    name = "Mast.Caom.Products"
    table.require(name, PRODUCT_COLUMNS)
    texts = TextCache()
    with _unreadable_cells(name):
        return [
            CaomProduct(  # by position: several times as fast as by name
                as_text(row.dataURI) or "",
                as_text(row.productFilename) or "",
                str(row.obsID),
                as_int(row, "size"),
                as_int(row, "calib_level"),
                texts[row.prvversion],
                (texts[row.dataRights] or PUBLIC) != PUBLIC,
                texts[row.productGroupDescription],
            )
            for row in table.rows
        ]


def read_keywords(table: MastTable, name: str, program: int) -> list[KeywordRecord]:
    """Return the files of a program that the rows of keyword table `name` describe."""
    full_name = f"Mast.Jwst.Filtered.{name}"
    table.require(full_name, (*KEYWORD_COLUMNS, *TABLE_COLUMNS[name]))
    texts = TextCache()
    with _unreadable_cells(full_name):
        return [
            _keyword_record(row, texts) for row in table.rows if as_int(row, "program") == program
        ]


def _unreadable_cells(table: str) -> AbstractContextManager[None]:
    """Convert any failure to read cells to ArchiveError, e.g. of a list in place of a word."""
    return failures_as(
        lambda why: ArchiveError(
            f"MAST's table {table}: expected text and numbers in its columns, found otherwise "
            f"({why}); nothing was changed; report this to jwmirror."
        )
    )


def _keyword_record(row: Row, texts: "TextCache") -> KeywordRecord:
    return KeywordRecord(  # by position, as above
        as_text(row.filename) or as_text(row.fileName) or "",
        as_md5(row),
        as_int(row, "fileSize"),
        as_iso(row, "date"),
        texts[row.cal_ver],
        texts[row.crds_ctx],
        texts[row.sdp_ver],
        as_bool(row, "isStale"),
        as_bool(row, "isRestricted"),
        as_iso(row, "publicReleaseDate"),
        texts[row.instrume],
        texts[row.detector],
        texts[row.filter],
        texts[row.pupil],
        texts[row.exp_type],
        texts[row.subarray],
        texts[row.grating],
        as_iso(row, "date_obs"),
    )


# ---- cells: each function returns None where the cell is empty -------------------------------

HALF_MILLISECOND = timedelta(microseconds=500)  # added because isoformat cuts off, not rounds
MJD_ZERO = datetime(1858, 11, 17) + HALF_MILLISECOND
UNIX_ZERO = datetime(1970, 1, 1)
PUBLIC = "PUBLIC"
LARGEST = 10**18  # of whole numbers: sizes in bytes, programs, levels
MD5 = re.compile("[0-9a-fA-F]{32}")
EMPTY = frozenset(("", "N/A", "--", "null", "NULL"))
IN_DAYS = {column: f"{column}_mjd" for column in ("date", "publicReleaseDate", "date_obs")}


class TextCache(dict[Any, str | None]):
    """Cells as text, for columns of few values: each value is converted once."""

    def __missing__(self, cell: Any) -> str | None:
        self[cell] = text = as_text(cell)
        return text


def as_text(value: Any) -> str | None:
    """Return a cell as printable text without surrounding spaces."""
    if value is None:
        return None
    text = printable((value if type(value) is str else str(value)).strip())
    return text if text not in EMPTY else None


def as_int(row: Row, column: str) -> int | None:
    """Return a cell as a whole number."""
    value = getattr(row, column)
    if value is None or value == "":
        return None
    try:
        number = value if type(value) is int else int(value)
    except (TypeError, ValueError) as err:
        raise _bad_cell(row, column, "a whole number") from err
    if not -1 <= number <= LARGEST:
        raise _bad_cell(row, column, "a whole number of at most 18 digits")
    return number


def as_bool(row: Row, column: str) -> bool:
    """Return a cell as true or false; an empty one is false."""
    value = getattr(row, column)
    if type(value) is bool:
        return value
    value = str(value).lower()
    if value in ("true", "t", "1", "y"):
        return True
    if value in ("false", "f", "0", "n", "none", ""):
        return False
    raise _bad_cell(row, column, "true or false")


def as_md5(row: Row) -> str | None:
    """Return MAST's checksum of a file."""
    cell = row.checksum
    text = cell if type(cell) is str and MD5.fullmatch(cell) else as_text(cell)
    if text and not MD5.fullmatch(text):
        raise _bad_cell(row, "checksum", "32 hex digits")
    return text.lower() if text else None


def as_iso(row: Row, column: str) -> str | None:
    """Return a date as ISO with milliseconds, from text, /Date(ms)/ or MJD."""
    in_days = IN_DAYS[column]
    text, days = getattr(row, column), getattr(row, in_days)
    try:
        return _iso(text, days) if column == "date" else _shared_iso(text, days)
    except (ValueError, TypeError, OverflowError) as err:
        raise _bad_cell(row, column if as_text(text) else in_days, "a date") from err


def _iso(cell: Any, days: Any) -> str | None:
    text = None if cell is None else as_text(cell)
    if text and (unix_ms := re.fullmatch(r"/Date\((-?\d+)\)/", text)):
        moment = UNIX_ZERO + timedelta(milliseconds=int(unix_ms[1]))
    elif text:
        moment = datetime.fromisoformat(text).replace(tzinfo=None) + HALF_MILLISECOND
    elif days is not None and days != "":
        moment = MJD_ZERO + timedelta(float(days))
    else:
        return None
    return moment.isoformat("T", "milliseconds")


_shared_iso = lru_cache(1 << 16)(_iso)  # files of one exposure share the date of observation


def _bad_cell(row: Row, column: str, expected: str) -> ArchiveError:
    filenames = (getattr(row, c, None) for c in ("filename", "fileName", "productFilename"))
    name = next(filter(None, filenames), "a row")
    return ArchiveError(
        f"MAST's column {column} of {name!s:.200}: expected {expected}, found "
        f"{getattr(row, column)!r:.100}; nothing was changed; if this error remains, MAST changed "
        "its vocabulary: report this to jwmirror."
    )
