"""Keyword tables as the archive's switches have them: which rows, and how cells are spelled."""

from collections.abc import Iterable

from jwmirror_simulator.mast.api.oddities import OFF, Oddities
from jwmirror_simulator.mast.storage.dates import moment
from jwmirror_simulator.mast.storage.folder import Holding
from jwmirror_simulator.mast.tables.columns import Row
from jwmirror_simulator.mast.tables.keyword_rows import DATES
from jwmirror_simulator.mast.tables.snapshot import Snapshot

RANKS = {"1b": 0, "2a": 1, "2b": 2, "2c": 2}  # of an exposure's files, by productLevel
UNIX = moment("1970-01-01")


def keyword_rows(table: str, snapshot: Snapshot, oddities: Oddities) -> list[Row]:
    """Return the rows of Mast.Jwst.Filtered.<table>."""
    if oddities.keyword_rows == "none":
        return []
    rows = snapshot.keywords[table]
    if oddities.keyword_rows == "highest" and table != "GuideStar":
        hidden = _of_lower_level(snapshot.state.holdings.values())
        rows = [row for row in rows if row["filename"] not in hidden]
    return rows if oddities.two_rows == OFF else _with_former(rows, table, snapshot, oddities)


def _of_lower_level(holdings: Iterable[Holding]) -> set[str]:
    """Return the names of files whose exposure has a FITS file of a higher level."""
    ranks = {
        held.filename: (held.name.group, RANKS[held.name.processing])
        for held in holdings
        if held.name.kind == "exposure" and held.name.extension == "fits"
    }
    highest: dict[str, int] = {}
    for group, rank in ranks.values():
        highest[group] = max(rank, highest.get(group, 0))
    return {filename for filename, (group, rank) in ranks.items() if rank < highest[group]}


def _with_former(rows: list[Row], table: str, snapshot: Snapshot, oddities: Oddities) -> list[Row]:
    """Return the rows with the former one of each reprocessed file beside the new one."""
    former = snapshot.former_keywords[table]
    both: list[Row] = []
    for row in rows:
        pair = [row, former[row["filename"]]] if row["filename"] in former else [row]
        both += pair if oddities.two_rows == "new first" else reversed(pair)
    return both


def spelled(row: Row, oddities: Oddities) -> Row:
    """Return a row with the cells and the spelling of dates that the switches ask for."""
    if oddities.dates != "iso":
        zone = "+0000" if oddities.dates == "zoned" else ""
        row = {name: _milliseconds(name, value, zone) for name, value in row.items()}
    odd = {name: value for name, value in oddities.odd_cells.items() if name in row}
    return {**row, **odd} if odd else row


def _milliseconds(name: str, value: object, zone: str) -> object:
    """Return a date as /Date(milliseconds since 1970)/; other cells unchanged."""
    if name not in DATES or not value:
        return value
    return f"/Date({round((moment(str(value)) - UNIX).total_seconds() * 1000)}{zone})/"
