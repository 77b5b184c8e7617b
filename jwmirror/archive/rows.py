"""What MAST's tables say, as records: columns must be there, and values of the right kind."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from jwmirror.core.errors import ArchiveError

OBSERVATION_COLUMNS = ("obsid", "instrument_name", "calib_level", "proposal_id")
PRODUCT_COLUMNS = (
    *("dataURI", "productFilename", "obsID", "size", "calib_level"),
    *("prvversion", "dataRights", "productGroupDescription"),
)
KEYWORD_COLUMNS = (  # asked of every keyword table
    *("checksum", "fileSize", "date_mjd", "cal_ver", "crds_ctx", "sdp_ver"),
    *("isStale", "isRestricted", "publicReleaseDate_mjd"),
    *("instrume", "detector", "exp_type", "subarray", "program", "date_obs_mjd"),
)
TABLE_COLUMNS = {  # asked of one keyword table
    "Nircam": ("filename", "filter", "pupil"),
    "Niriss": ("filename", "filter", "pupil"),
    "Nirspec": ("filename", "filter", "grating"),
    "Miri": ("filename", "filter"),
    "Fgs": ("filename",),
    "GuideStar": ("fileName",),
}
ALTERNATIVES = {
    "filename": "fileName",
    "fileName": "filename",
    "date_mjd": "date",
    "publicReleaseDate_mjd": "publicReleaseDate",
    "date_obs_mjd": "date_obs",
}


def row_type(*columns: str) -> type[msgspec.Struct]:
    """A kind of row with these columns, of whatever type; None where a row lacks one."""
    return msgspec.defstruct("Row", [(name, Any, None) for name in columns], gc=False)


ObservationRow = row_type(*OBSERVATION_COLUMNS, "obs_id")
ProductRow = row_type(*PRODUCT_COLUMNS)
KeywordRow = row_type(
    *dict.fromkeys(
        chain(KEYWORD_COLUMNS, *TABLE_COLUMNS.values(), ALTERNATIVES, ALTERNATIVES.values())
    )
)
Row = msgspec.Struct  # any of them


class MastTable(NamedTuple):
    """Rows of one table, and the columns that its first row came with."""

    rows: list[Row]
    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rows: Iterable[dict[str, Any]], kind: type[Row]) -> "MastTable":
        """Rows given as mappings."""
        rows = list(rows)
        return cls(msgspec.convert(rows, list[kind]), frozenset(*rows[:1]))

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


HALF_MILLISECOND = timedelta(microseconds=500)
MJD_ZERO = datetime(1858, 11, 17) + HALF_MILLISECOND  # what is left of a millisecond is cut off
UNIX_ZERO = datetime(1970, 1, 1)
PUBLIC = "PUBLIC"
MD5 = re.compile("[0-9a-fA-F]{32}")
NOTHING = frozenset(("", "N/A", "--", "null", "NULL"))
IN_DAYS = {column: f"{column}_mjd" for column in ("date", "publicReleaseDate", "date_obs")}


class CaomObservation(NamedTuple):
    """One group of products in CAOM."""

    obsid: str
    instrument: str | None  # NIRCAM
    is_planned: bool
    name: str = ""  # obs_id, which begins like the names of its files; "" where it has none


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


NO_ROW = KeywordRecord(filename="")  # of a file that no table knows


def read_observations(table: MastTable, program: int) -> list[CaomObservation]:
    """The observations of a program that CAOM's rows describe."""
    table.require("Mast.Caom.Filtered", OBSERVATION_COLUMNS)
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
    """The files that CAOM's product rows describe."""
    table.require("Mast.Caom.Products", PRODUCT_COLUMNS)
    said = TextCache()
    return [
        CaomProduct(  # by position: several times as fast as by name
            as_text(row.dataURI) or "",
            as_text(row.productFilename) or "",
            str(row.obsID),
            as_int(row, "size"),
            as_int(row, "calib_level"),
            said[row.prvversion],
            (said[row.dataRights] or PUBLIC) != PUBLIC,
            said[row.productGroupDescription],
        )
        for row in table.rows
    ]


def read_keywords(table: MastTable, name: str, program: int) -> list[KeywordRecord]:
    """The files of a program that the rows of keyword table `name` describe."""
    table.require(f"Mast.Jwst.Filtered.{name}", (*KEYWORD_COLUMNS, *TABLE_COLUMNS[name]))
    said = TextCache()
    try:
        return [_keywords(row, said) for row in table.rows if as_int(row, "program") == program]
    except TypeError as err:  # a list or an object where a word should be
        raise ArchiveError(
            f"MAST's table Mast.Jwst.Filtered.{name}: expected text and numbers in its columns, "
            f"found otherwise ({err}); nothing was changed; report this to jwmirror."
        ) from err


def _keywords(row: Row, said: "TextCache") -> KeywordRecord:
    """One file's row."""
    return KeywordRecord(  # by position, as above
        as_text(row.filename) or as_text(row.fileName) or "",
        as_md5(row),
        as_int(row, "fileSize"),
        as_iso(row, "date"),
        said[row.cal_ver],
        said[row.crds_ctx],
        said[row.sdp_ver],
        as_bool(row, "isStale"),
        as_bool(row, "isRestricted"),
        as_iso(row, "publicReleaseDate"),
        said[row.instrume],
        said[row.detector],
        said[row.filter],
        said[row.pupil],
        said[row.exp_type],
        said[row.subarray],
        said[row.grating],
        as_iso(row, "date_obs"),
    )


class TextCache(dict[Any, str | None]):
    """Cells as text, for columns of few values: each value is looked at once."""

    def __missing__(self, cell: Any) -> str | None:
        self[cell] = said = as_text(cell)
        return said


def as_text(value: Any) -> str | None:
    """A cell as text; None where it says nothing."""
    if value is None:
        return None
    said = (value if type(value) is str else str(value)).strip()
    return said if said not in NOTHING else None


def as_int(row: Row, column: str) -> int | None:
    """A cell as a whole number; None where it says nothing."""
    value = getattr(row, column)
    if type(value) is int:
        return value
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as err:
        raise _odd(row, column, "a whole number") from err


def as_bool(row: Row, column: str) -> bool:
    """A cell as yes or no; nothing is no."""
    value = getattr(row, column)
    if type(value) is bool:
        return value
    value = str(value).lower()
    if value in ("true", "t", "1", "y"):
        return True
    if value in ("false", "f", "0", "n", "none", ""):
        return False
    raise _odd(row, column, "true or false")


def as_md5(row: Row) -> str | None:
    """MAST's checksum of a file; None where it keeps none."""
    cell = row.checksum
    said = cell if type(cell) is str and MD5.fullmatch(cell) else as_text(cell)
    if said and not MD5.fullmatch(said):
        raise _odd(row, "checksum", "32 hex digits")
    return said.lower() if said else None


def as_iso(row: Row, column: str) -> str | None:
    """A date as ISO with milliseconds, from text, /Date(ms)/ or MJD; None where it says nothing."""
    in_days = IN_DAYS[column]
    said, days = getattr(row, column), getattr(row, in_days)
    try:
        return _iso(said, days) if column == "date" else _shared_iso(said, days)
    except (ValueError, TypeError, OverflowError) as err:
        raise _odd(row, column if as_text(said) else in_days, "a date") from err


def _iso(cell: Any, days: Any) -> str | None:
    said = None if cell is None else as_text(cell)
    if said and (since := re.fullmatch(r"/Date\((-?\d+)\)/", said)):
        moment = UNIX_ZERO + timedelta(milliseconds=int(since[1]))
    elif said:
        moment = datetime.fromisoformat(said).replace(tzinfo=None) + HALF_MILLISECOND
    elif days is not None and days != "":
        moment = MJD_ZERO + timedelta(float(days))
    else:
        return None
    return moment.isoformat("T", "milliseconds")


_shared_iso = lru_cache(1 << 16)(_iso)  # files of one exposure share when they were taken


def _odd(row: Row, column: str, expected: str) -> ArchiveError:
    named = (getattr(row, c, None) for c in ("filename", "fileName", "productFilename"))
    name = next(filter(None, named), "a row")
    return ArchiveError(
        f"MAST's column {column} of {name}: expected {expected}, found {getattr(row, column)!r}; "
        "nothing was changed; if it stays so, MAST changed its vocabulary: report this to jwmirror."
    )
