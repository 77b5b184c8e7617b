"""Rows of Mast.Jwst.Filtered.*: one per FITS file, with its keywords, checksum and pedigree."""

from jwmirror_simulator.mast.storage.dates import mjd, moment
from jwmirror_simulator.mast.storage.folder import Holding
from jwmirror_simulator.mast.tables.columns import KEYWORDS, Column

HEADER = {  # the columns that do not bear the keyword's name
    "asntable": "ASNTABLE",
    "asnpool": "ASNPOOL",
    "date_obs": "DATE-OBS",
    "date_beg": "DATE-BEG",
    "date_end": "DATE-END",
    "filename": "FILENAME",
}
_DATES = """
date date_obs date_beg date_end expsteng gsendtim gsstrttm mu_epoch visitend vststart gf_start
gf_end gs_epoch hga_stop hga_strt pointtim ingestStartDate ingestCompletionDate publicReleaseDate
"""
DATES = frozenset(_DATES.split())


def table_of(holding: Holding) -> str | None:
    """Return the table that lists a file (Nircam, GuideStar...); None for files without a row."""
    if holding.name.extension != "fits" or holding.name.kind == "shutters":
        return None
    if holding.name.kind == "guide star":
        return "GuideStar"
    return str(holding.keywords.get("INSTRUME", "")).capitalize()


def keyword_row(holding: Holding, table: str, exclusive: bool) -> dict[str, object]:
    """Return the row of a file in `table`; columns that the header lacks are None."""
    archived = _archived(holding, exclusive)
    return {
        column.name: archived[column.name]
        if column.name in archived
        else _cell(column, holding.keywords)
        for column in KEYWORDS[table]
    }


def _archived(holding: Holding, exclusive: bool) -> dict[str, object]:
    """Return the columns that do not come from the header."""
    return {
        "ArchiveFileID": holding.number,
        "filename": holding.filename,
        "fileName": holding.filename,
        "fileSetName": holding.name.fileset,
        "productLevel": holding.name.processing,
        "fileSize": holding.size,
        "checksum": holding.md5,
        "ingestStartDate": holding.ingested,
        "ingestStartDate_mjd": mjd(holding.ingested),
        "ingestCompletionDate": holding.ingested,
        "ingestCompletionDate_mjd": mjd(holding.ingested),
        "FileTypeID": 63,
        "publicReleaseDate": holding.released,
        "publicReleaseDate_mjd": mjd(holding.released),
        "isRestricted": exclusive,
        "isItar": False,
        "isStale": holding.stale,
        "isJitter": False,
        "FileSetId": holding.number // 100,
        "dataURI": holding.uri,
    }


def _cell(column: Column, keywords: dict) -> object:
    """Return a column's value from the header."""
    name = column.name.removesuffix("_mjd")
    value = keywords.get(HEADER.get(name, name.upper()))
    if name == "date_obs" and value:
        value = f"{value}T{keywords.get('TIME-OBS', '00:00:00')}"
    if value is None or value == "":
        return None
    if name in DATES:
        value = str(value)
        return mjd(value) if column.name != name else moment(value).isoformat()
    if isinstance(value, bool):
        return "t" if value else "f"
    return {"int": int, "float": float}.get(column.type, str)(value)
