"""Listings: all products that MAST lists of one program, one record per file."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from jwmirror.archive.tables import rows
from jwmirror.archive.tables.joining import assemble_listing
from jwmirror.archive.tables.members import members_of_candidates
from jwmirror.archive.tables.portal import KEYWORDS, Portal
from jwmirror.archive.tables.queries import Queries, query_products
from jwmirror.archive.tables.rows import CaomObservation, CaomProduct, KeywordRecord
from jwmirror.archive.tables.unread import OLDER, UnreadCells
from jwmirror.core import names
from jwmirror.core.errors import ArchiveError, UnknownProgramError, as_typed
from jwmirror.core.model import Doubt, Listing, Scope, is_among

GUIDE_STARS = "GuideStar"
MOST_OBSERVATIONS = 100  # that are named in a query
SHUTTERS = "msa"  # suffix of files that describe shutters, and need not have a row

log = logging.getLogger(__name__)


def query_listing(
    queries: Queries,
    program: int,
    may_be_empty: bool = False,
    only: Collection[str] = (),
    scope: Scope | None = None,
) -> Listing:
    """Return the products that MAST lists of a program, or of a part of it.

    What could not be read is a doubt of the listing. Raises ArchiveError if that is all of it, or
    if it is empty and not `may_be_empty`. `only` limits queries and listing to some observations
    (o001, c1001), without any candidate that is not among them.
    """
    asked_at = datetime.now(UTC).isoformat(timespec="seconds")
    unread, scope = UnreadCells(program), scope or Scope(program=program)
    table = queries.submit(lambda portal: portal.observations(program)).result()
    observations = rows.read_observations(table, unread)
    if not observations and not may_be_empty:
        raise UnknownProgramError(
            f"MAST at {queries.url} knows no JWST program {program}: expected observations, got "
            "none; correct its number in the config (without leading zeros: YAML takes 01345 for "
            f"741), or, if an earlier search found it, run {as_typed('search --again')}."
        )
    asked = [o for o in observations if _is_asked(o, scope, only)]
    listed = _query_products(queries, asked, unread)
    files = [file for file in listed if _is_wanted(file, scope, only)]
    some = tuple(only) or scope.observations
    records = _query_keywords(queries, observations, files, some, unread)
    listing = assemble_listing(program, asked_at, observations, files, records)
    asked_for = scope if scope.is_limited else None
    doubts = tuple(unread.doubts)
    return replace(
        listing,
        doubts=doubts,
        remarks=tuple(sorted(unread.remarks())),  # tables are read side by side
        scope=asked_for,
        candidates=members_of_candidates(observations, listed),
    )


def _is_asked(observation: CaomObservation, scope: Scope, only: Collection[str]) -> bool:
    """Return whether a query asks for the products of an observation."""
    name = names.observation_of(observation.name)
    is_of_some = not only or name in (*only, "")
    is_included = is_of_some and scope.includes(name, observation.instrument)
    return is_included and not observation.is_planned


def _is_wanted(file: CaomProduct, scope: Scope, only: Collection[str]) -> bool:
    """Return whether a file is of what is queried; candidates are, if all observations are.

    Candidates that may contain a selected observation are, too.
    """
    name = names.observation_of(file.filename)
    some = only or (scope.observations and (*scope.observations, names.POOL, "")) or (name,)
    return is_among(name, some) and scope.includes(name, names.instrument_of(file.filename))


def _query_products(
    queries: Queries, observations: Iterable[CaomObservation], unread: UnreadCells
) -> list[CaomProduct]:
    """Return the files of the observations; one whose files could not be read is a doubt."""
    obsids = sorted({observation.obsid for observation in observations})
    lists = query_products(queries, obsids, partial(rows.read_products, unread=unread))
    failed = {unread.observations.get(obsid, ""): str(e) for obsid, e in lists.failures.items()}
    unread.doubts += [
        Doubt(program=unread.program, observation=name, why=why)
        for name, why in sorted(failed.items())
    ]
    return lists.products


def _query_keywords(
    queries: Queries,
    observations: Iterable[CaomObservation],
    files: Sequence[CaomProduct],
    some: Collection[str],
    unread: UnreadCells,
) -> list[KeywordRecord]:
    """Return the records of every table that should have some, of `some` observations or all.

    A table that cannot be read is a doubt of its instrument.
    """
    instruments = {each.obsid: each.instrument for each in observations}
    filenames: dict[str, set[str]] = defaultdict(set)  # by table
    for file in files:
        if file.filename.endswith(".fits") and (table := _table(file, instruments)):
            filenames[table].add(file.filename)
    answers = {
        table: queries.submit(partial(_query_table, table, some, filenames[table], unread))
        for table in sorted(filenames)
    }
    records: list[KeywordRecord] = []
    for table, answer in answers.items():
        try:
            of_table = answer.result()
        except ArchiveError as err:
            instrument = "FGS" if table == GUIDE_STARS else table.upper()
            doubt = Doubt(program=unread.program, instrument=instrument, why=str(err))
            unread.doubts.append(doubt)
            continue
        if not of_table:
            unread.add_empty(f"{KEYWORDS}{table}", len(filenames[table]))
        if repeated := len(of_table) - len({record.filename for record in of_table}):
            unread.add_rows(f"{KEYWORDS}{table}", repeated, OLDER)
        records += of_table
    return records


def _query_table(
    table: str, some: Collection[str], filenames: set[str], unread: UnreadCells, portal: Portal
) -> list[KeywordRecord]:
    """Return a table's records of some observations, or of all if those lack one of an exposure."""
    program = unread.program
    columns = (*rows.TABLE_COLUMNS[table], *rows.KEYWORD_COLUMNS)
    if 0 < len(some) <= MOST_OBSERVATIONS and all(map(names.is_observation, some)):
        numbers = [int(name[1:]) for name in sorted(some)]
        answer = portal.keywords(table, program, columns, numbers)
        records = rows.read_keywords(answer, table, unread)
        found = _exposures_and_files(record.filename for record in records)
        if _exposures_and_files(filenames) <= found:
            return records
    return rows.read_keywords(portal.keywords(table, program, columns), table, unread)


def _exposures_and_files(filenames: Iterable[str]) -> set[str]:
    """Return the roots of exposures, and the names of other files.

    MAST may have a row for only one file of an exposure.
    """
    parts = ((filename, *names.root_and_suffix(filename)) for filename in filenames)
    return {
        root if names.is_exposure_root(root) else filename
        for filename, root, suffix in parts
        if suffix != SHUTTERS
    }


def _table(file: CaomProduct, instruments: Mapping[str, str | None]) -> str | None:
    """Return the keyword table that should have a row for a FITS file."""
    if names.guiding_type(file.filename):
        return GUIDE_STARS
    instrument = names.instrument_of(file.filename) or instruments.get(file.obsid) or ""
    table = instrument.capitalize()  # NIRCAM: table Nircam
    return table if table in rows.TABLE_COLUMNS else None
