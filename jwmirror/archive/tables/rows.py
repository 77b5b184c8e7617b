"""Rows of MAST's tables as records; what cannot be read affects its cell, or its row, alone.

First the rows as MAST sends them, then the records, then the reading. Column names are those of
answers recorded from MAST.
"""

from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from jwmirror.archive.tables.cells import (
    PLANNED,
    TextCache,
    as_flag,
    as_iso,
    as_level,
    as_md5,
    as_size,
    as_text,
    as_withheld,
    shared_iso,
)
from jwmirror.archive.tables.reader import ALTERNATIVES, MastTable, Row, TableReader
from jwmirror.archive.tables.unread import NAMELESS, UnreadCells, bad_table
from jwmirror.core import names

OBSERVATION_COLUMNS = ("obsid", "instrument_name", "calib_level", "proposal_id")
PRODUCT_COLUMNS = (
    *("dataURI", "productFilename", "obsID", "size", "calib_level"),
    *("prvversion", "dataRights", "productGroupDescription", "productType"),
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
URI_START = "mast:JWST/product/"  # of MAST's files


def _row_type(*columns: str) -> type[Row]:
    """Return a class of rows with these columns; None where a row lacks one."""
    return msgspec.defstruct("Row", [(name, Any, None) for name in columns], gc=False)


ObservationRow = _row_type(*OBSERVATION_COLUMNS, "obs_id")
ProductRow = _row_type(*PRODUCT_COLUMNS, "parent_obsid")
KeywordRow = _row_type(
    *dict.fromkeys(
        chain(KEYWORD_COLUMNS, *TABLE_COLUMNS.values(), ALTERNATIVES, ALTERNATIVES.values())
    )
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
    is_withheld: bool | None  # None: MAST does not say
    group: str | None = None  # Minimum Recommended Products
    caom_type: str | None = None  # SCIENCE, AUXILIARY...
    parent: str | None = None  # obsid of the observation that lists it


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
    is_withheld: bool | None = None  # None: MAST does not say
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


# ---- reading ---------------------------------------------------------------------------------


def read_observations(table: MastTable, unread: UnreadCells) -> list[CaomObservation]:
    """Return the observations of the program; one without obsid is a doubt."""
    reader = TableReader("Mast.Caom.Filtered", unread)
    reader.check_columns(table, OBSERVATION_COLUMNS)

    def observation(row: Row) -> CaomObservation:
        return CaomObservation(
            obsid=_required(as_text(row.obsid)),
            instrument=(as_text(row.instrument_name) or "").partition("/")[0].upper() or None,
            is_planned=as_level(row.calib_level) == PLANNED,
            name=as_text(row.obs_id) or "",
        )

    def doubt(row: Row) -> None:
        words = "it has no obsid, so the files of its observation were not listed"
        unread.add_doubt(reader.table, words, names.observation_of(as_text(row.obs_id) or ""))

    rows = reader.rows_of_program(table, "proposal_id", "obs_id")
    observations = reader.records(rows, observation, doubt)
    unread.observations |= {o.obsid: names.observation_of(o.name) for o in observations}
    return observations


def read_products(table: MastTable, unread: UnreadCells) -> list[CaomProduct]:
    """Return the files that rows of Mast.Caom.Products describe.

    One whose URI is missing, or does not end with its name, is a doubt.
    """
    reader = TableReader("Mast.Caom.Products", unread)
    reader.check_columns(table, PRODUCT_COLUMNS)
    texts = TextCache()

    def product(row: Row) -> CaomProduct:
        uri, filename = row.dataURI, as_text(row.productFilename)
        if not filename or uri != f"{URI_START}{filename}":  # rare
            uri = as_text(uri) or ""
            filename = filename or uri.rpartition("/")[2]
            if not uri.endswith(f"/{filename}"):
                raise ValueError
        return CaomProduct(  # by position: several times as fast as by name
            uri,
            filename,
            texts[row.obsID] or "",
            as_size(row.size),
            as_level(row.calib_level),
            texts[row.prvversion],
            as_withheld(row.dataRights),
            texts[row.productGroupDescription],
            texts[row.productType],
            texts[row.parent_obsid],
        )

    def doubt(row: Row) -> None:
        filenames = {as_text(row.productFilename), (as_text(row.dataURI) or "").rpartition("/")[2]}
        observation = unread.observations.get(as_text(row.obsID) or "", "")
        words = "it has no dataURI that ends with its productFilename, so this file was not listed"
        for filename in sorted(filter(None, filenames)) or [""]:
            unread.add_doubt(reader.table, words, "" if filename else observation, filename)

    return reader.records(table.rows, product, doubt)


def read_keywords(table: MastTable, name: str, unread: UnreadCells) -> list[KeywordRecord]:
    """Return the files of the program that the rows of keyword table `name` describe.

    A row without a file name is left out if its file is public. Else it is an ArchiveError: the
    file would seem to be public without its row.
    """
    reader = TableReader(f"Mast.Jwst.Filtered.{name}", unread)
    reader.check_columns(table, (*KEYWORD_COLUMNS, *TABLE_COLUMNS[name]))
    texts = TextCache()

    def leave_out(row: Row) -> None:
        if as_flag(row.isRestricted) is not False:
            raise bad_table(
                reader.table, unread.program, "a row of a withheld file without its name"
            )
        unread.add_rows(reader.table, 1, NAMELESS)

    name_column = "fileName" if "fileName" in table.columns else "filename"
    rows = reader.rows_of_program(table, "program", name_column)
    return reader.records(rows, partial(_keyword_record, texts=texts), leave_out)


def _keyword_record(row: Row, texts: TextCache) -> KeywordRecord:
    return KeywordRecord(  # by position, as above
        _required(as_text(row.filename) or as_text(row.fileName), "jw"),
        as_md5(row.checksum),
        as_size(row.fileSize),
        as_iso(row.date, row.date_mjd),
        texts[row.cal_ver],
        texts[row.crds_ctx],
        texts[row.sdp_ver],
        as_flag(row.isStale) is True,
        as_flag(row.isRestricted),
        shared_iso(row.publicReleaseDate, row.publicReleaseDate_mjd),
        texts[row.instrume],
        texts[row.detector],
        texts[row.filter],
        texts[row.pupil],
        texts[row.exp_type],
        texts[row.subarray],
        texts[row.grating],
        shared_iso(row.date_obs, row.date_obs_mjd),
    )


def _required(text: str | None, start: str = "") -> str:
    """Return a text that must be there, and begin like this; ValueError if it does not."""
    if text is None or not text.startswith(start):
        raise ValueError
    return text
