"""What MAST's tables say, as records: columns must be there, and values of the right kind."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from jwmirror.archive.portal import Row
from jwmirror.errors import ArchiveError

MJD_ZERO = datetime(1858, 11, 17)
UNIX_ZERO = datetime(1970, 1, 1)
HALF_MILLISECOND = timedelta(microseconds=500)
PUBLIC = "PUBLIC"
MD5 = re.compile("[0-9a-fA-F]{32}")
NOTHING = frozenset(("", "N/A", "--", "null", "NULL"))
OFFER_COLUMNS = (
    *("dataURI", "productFilename", "obsID", "size", "calib_level"),
    *("prvversion", "dataRights", "productGroupDescription"),
)
COLUMNS = (  # asked of every keyword table
    *("checksum", "fileSize", "date_mjd", "cal_ver", "crds_ctx", "sdp_ver"),
    *("isStale", "isRestricted", "publicReleaseDate_mjd"),
    *("instrume", "detector", "exp_type", "subarray", "program", "date_obs_mjd"),
)
OWN_COLUMNS = {  # asked of one keyword table
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


class Observation(NamedTuple):
    """One group of products in CAOM."""

    obsid: str
    instrument: str | None  # NIRCAM
    is_planned: bool
    name: str = ""  # obs_id, which begins like the names of its files; "" where it has none


class Offer(NamedTuple):
    """One file that CAOM lists under an observation."""

    uri: str
    filename: str
    obsid: str
    size: int | None  # bytes
    level: int | None
    cal_ver: str | None
    is_withheld: bool
    group: str | None = None  # Minimum Recommended Products


class Keywords(NamedTuple):
    """One file's row in a keyword table."""

    filename: str
    checksum: str | None  # MD5
    size: int | None  # bytes
    date: str | None
    cal_ver: str | None
    crds_ctx: str | None
    sdp_ver: str | None
    is_stale: bool
    is_withheld: bool
    release_date: str | None
    instrument: str | None
    detector: str | None
    filter: str | None
    pupil: str | None
    exp_type: str | None
    subarray: str | None
    grating: str | None = None
    date_obs: str | None = None


def observations(rows: Sequence[Row], program: int) -> list[Observation]:
    """The observations of a program that CAOM's rows describe."""
    require(rows, "Mast.Caom.Filtered", ("obsid", "instrument_name", "calib_level", "proposal_id"))
    return [
        Observation(
            obsid=str(row["obsid"]),
            instrument=(text(row["instrument_name"]) or "").partition("/")[0].upper() or None,
            is_planned=row["calib_level"] == -1,
            name=text(row.get("obs_id")) or "",
        )
        for row in rows
        if number(row, "proposal_id") == program
    ]


def offers(rows: Sequence[Row]) -> list[Offer]:
    """The files that CAOM's product rows describe."""
    require(rows, "Mast.Caom.Products", OFFER_COLUMNS)
    return [
        Offer(
            uri=text(row["dataURI"]) or "",
            filename=text(row["productFilename"]) or "",
            obsid=str(row["obsID"]),
            size=number(row, "size"),
            level=number(row, "calib_level"),
            cal_ver=text(row["prvversion"]),
            is_withheld=(text(row["dataRights"]) or PUBLIC) != PUBLIC,
            group=text(row["productGroupDescription"]),
        )
        for row in rows
    ]


def keywords(rows: Sequence[Row], table: str, program: int) -> list[Keywords]:
    """The files of a program that a keyword table's rows describe."""
    require(rows, f"Mast.Jwst.Filtered.{table}", (*COLUMNS, *OWN_COLUMNS[table]))
    said = Texts()
    try:
        return [_keywords(row, said) for row in rows if number(row, "program") == program]
    except TypeError as err:  # a list or an object where a word should be
        raise ArchiveError(
            f"MAST's table Mast.Jwst.Filtered.{table}: expected text and numbers in its columns, "
            f"found otherwise ({err}); nothing was changed; report this to jwmirror."
        ) from err


def _keywords(row: Row, said: "Texts") -> Keywords:
    """One file's row."""
    get = row.get
    return Keywords(
        filename=text(get("filename")) or text(get("fileName")) or "",
        checksum=md5(row),
        size=number(row, "fileSize"),
        date=instant(row, "date"),
        cal_ver=said[row["cal_ver"]],
        crds_ctx=said[row["crds_ctx"]],
        sdp_ver=said[row["sdp_ver"]],
        is_stale=truth(row, "isStale"),
        is_withheld=truth(row, "isRestricted"),
        release_date=instant(row, "publicReleaseDate"),
        instrument=said[row["instrume"]],
        detector=said[row["detector"]],
        filter=said[get("filter")],
        pupil=said[get("pupil")],
        exp_type=said[row["exp_type"]],
        subarray=said[row["subarray"]],
        grating=said[get("grating")],
        date_obs=instant(row, "date_obs"),
    )


class Texts(dict[Any, str | None]):
    """Cells as text, for columns of few values: each value is looked at once."""

    def __missing__(self, cell: Any) -> str | None:
        self[cell] = said = text(cell)
        return said


def require(rows: Sequence[Row], table: str, columns: Iterable[str]) -> None:
    """Raise ArchiveError naming the columns that every row of a table lacks."""
    known = {name for row in rows[:1] for name in row}
    lacking = [c for c in columns if c not in known and ALTERNATIVES.get(c) not in known]
    if rows and lacking:
        raise ArchiveError(
            f"MAST's table {table}: expected columns {', '.join(lacking)}, found only "
            f"{', '.join(sorted(known)[:40])}; MAST changed its vocabulary, and without these "
            "columns a change could go unseen; nothing was changed; report this to jwmirror."
        )


def text(value: Any) -> str | None:
    """A cell as text; None where it says nothing."""
    if value is None:
        return None
    said = (value if type(value) is str else str(value)).strip()
    return said if said not in NOTHING else None


def number(row: Row, column: str) -> int | None:
    """A cell as a whole number; None where it says nothing."""
    value = row[column]
    if type(value) is int:
        return value
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as err:
        raise _odd(row, column, "a whole number") from err


def truth(row: Row, column: str) -> bool:
    """A cell as yes or no; nothing is no."""
    value = row[column]
    if type(value) is bool:
        return value
    value = str(value).lower()
    if value in ("true", "t", "1", "y"):
        return True
    if value in ("false", "f", "0", "n", "none", ""):
        return False
    raise _odd(row, column, "true or false")


def md5(row: Row) -> str | None:
    """MAST's checksum of a file; None where it keeps none."""
    said = text(row["checksum"])
    if said and not MD5.fullmatch(said):
        raise _odd(row, "checksum", "32 hex digits")
    return said.lower() if said else None


def instant(row: Row, column: str) -> str | None:
    """A date as ISO with milliseconds, from text, /Date(ms)/ or MJD; None where it says nothing."""
    said, days = text(row.get(column)), row.get(f"{column}_mjd")
    try:
        return _iso(said, days)
    except (ValueError, TypeError, OverflowError) as err:
        raise _odd(row, column if said else f"{column}_mjd", "a date") from err


@lru_cache(1 << 16)  # files of one exposure share their dates
def _iso(said: str | None, days: Any) -> str | None:
    if said and (since := re.fullmatch(r"/Date\((-?\d+)\)/", said)):
        moment = UNIX_ZERO + timedelta(milliseconds=int(since[1]))
    elif said:
        moment = datetime.fromisoformat(said).replace(tzinfo=None)
    elif days is not None and days != "":
        moment = MJD_ZERO + timedelta(days=float(days))
    else:
        return None
    return (moment + HALF_MILLISECOND).isoformat(timespec="milliseconds")


def _odd(row: Row, column: str, expected: str) -> ArchiveError:
    name = next((row[c] for c in ("filename", "fileName", "productFilename") if c in row), "a row")
    return ArchiveError(
        f"MAST's column {column} of {name}: expected {expected}, found {row[column]!r}; nothing "
        "was changed; if it stays so, MAST changed its vocabulary: report this to jwmirror."
    )
