"""Listings: all products that MAST lists of one program, one record per file."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from msgspec import structs

from jwmirror.archive.tables import rows
from jwmirror.archive.tables.members import members_of_candidates
from jwmirror.archive.tables.portal import KEYWORDS, Portal
from jwmirror.archive.tables.queries import Queries, query_products
from jwmirror.archive.tables.rows import CaomObservation, CaomProduct, KeywordRecord
from jwmirror.archive.tables.unread import OLDER, UnreadCells
from jwmirror.core import names
from jwmirror.core.errors import ArchiveError, UnknownProgramError
from jwmirror.core.model import Doubt, Listing, Product, Scope, is_among
from jwmirror.core.model.product import SIBLINGS

GUIDE_STARS = "GuideStar"
MOST_OBSERVATIONS = 100  # that are named in a query
PRODUCTS = "mast:JWST/product/"  # begins the URIs of MAST's files
SHUTTERS = "msa"  # suffix of files that describe shutters, and need not have a row
STRICTEST = (True, None, False)  # what rows of one file say of its access; None: nothing

log = logging.getLogger(__name__)


# ---- queries ---------------------------------------------------------------------------------


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
            "741)."
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
    lists = query_products(queries, sorted({observation.obsid for observation in observations}))
    files = [file for table in lists.tables for file in rows.read_products(table, unread)]
    failed = {unread.observations.get(obsid, ""): str(e) for obsid, e in lists.failures.items()}
    unread.doubts += [
        Doubt(program=unread.program, observation=name, why=why)
        for name, why in sorted(failed.items())
    ]
    return files


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


# ---- from answers to a listing: pure ---------------------------------------------------------


def assemble_listing(
    program: int,
    asked_at: str,
    observations: Sequence[CaomObservation],
    files: Sequence[CaomProduct],
    records: Sequence[KeywordRecord],
) -> Listing:
    """Return the listing that MAST's answers give: one product per URI, sorted by URI.

    Unsafe file names, and second URIs of one file name, are left out with a warning. Files of
    other programs, listed because this one used them, are left to those programs.
    """
    instruments = {each.obsid: each.instrument for each in observations}
    by_name = _one_per_name(records)
    named = _named_files(program, files)
    roots = {name.root for file, name in named if file.filename not in by_name}
    siblings, newest = _by_root(by_name.values(), roots)
    products: list[Product] = []
    for file, name in named:
        record = by_name.get(file.filename, rows.NO_RECORD)
        similar = siblings.get(name.root, rows.NO_RECORD) if record is rows.NO_RECORD else record
        product = _product(
            *(file, name, record, similar, instruments.get(file.obsid)),
            siblings=newest.get(name.root, ""),
            is_exclusive=_is_exclusive(file, record, similar, asked_at),
        )
        products.append(product)
    _warn_without_checksum(products)
    _warn_without_access(files, records)
    return Listing(program=program, asked_at=asked_at, products=tuple(products))


def _named_files(
    program: int, files: Iterable[CaomProduct]
) -> list[tuple[CaomProduct, names.ProductName]]:
    """Return the files of a program whose names are safe, one for each name, sorted by URI.

    Of several URIs of one name, that of MAST's usual form counts, or else the first.
    """
    safe = [file for file in _one_per_uri(files) if _is_safe(file)]
    parsed = [(file, name) for file in safe if (name := names.parse_product(file.filename))]
    if len(parsed) < len(safe):
        unnamed = {file.filename for file in safe} - {file.filename for file, _ in parsed}
        words = "files left out: %d; expected a program in each name (jw01345...), found %.200r"
        log.warning(words, len(unnamed), min(unnamed))
    named = [(file, name) for file, name in parsed if name.program == program]
    uris: dict[str, str] = {}  # by file name
    for file, _ in named:
        if uris.setdefault(file.filename, file.uri) != file.uri and file.uri.startswith(PRODUCTS):
            uris[file.filename] = file.uri
    if len(uris) == len(named):
        return named
    for file, _ in named:
        if (uri := uris[file.filename]) != file.uri:
            log.warning("left out %.200s: %.200s has the same name", file.uri, uri)
    return [(file, name) for file, name in named if uris[file.filename] == file.uri]


def _one_per_uri(files: Iterable[CaomProduct]) -> list[CaomProduct]:
    """Return one row for each URI, sorted: MAST lists a file under many observations."""
    chosen: dict[str, CaomProduct] = {}
    for file in files:
        other = chosen.setdefault(file.uri, file)
        if other is not file and _precedence(file) < _precedence(other):
            chosen[file.uri] = file
    return [chosen[uri] for uri in sorted(chosen)]


def _precedence(file: CaomProduct) -> tuple[str, ...]:
    """Return the sort key of several rows of one file, so that every poll takes the same row."""
    facts = (STRICTEST.index(file.is_withheld), file.size, file.level, file.cal_ver, file.filename)
    return (file.uri, *map(repr, facts), file.obsid)


def _one_per_name(records: Sequence[KeywordRecord]) -> dict[str, KeywordRecord]:
    """Return one record for each file name."""
    by_name = {record.filename: record for record in records}
    if len(by_name) < len(records):
        by_name.clear()
        for record in records:
            other = by_name.setdefault(record.filename, record)
            by_name[record.filename] = record if other is record else _newer(record, other)
    return by_name


def _newer(one: KeywordRecord, other: KeywordRecord) -> KeywordRecord:
    """Return the newer of two rows of one file, by its DATE, withheld if either of them is.

    Without a checksum if these differ, and the dates do not show which of them is the newer.
    """
    older, newer = sorted((one, other), key=lambda r: (r.date or "", r.crds_ctx or "", repr(r)))
    is_sure = older.checksum == newer.checksum or (older.date and older.date != newer.date)
    return structs.replace(
        newer,
        checksum=newer.checksum if is_sure else None,
        is_withheld=min(older.is_withheld, newer.is_withheld, key=STRICTEST.index),
    )


def _is_exclusive(
    file: CaomProduct, record: KeywordRecord, similar: KeywordRecord, asked_at: str
) -> bool:
    """Return whether a file counts as withheld, by its row in CAOM and its record.

    Where one of the two does not say, only a release date in the past shows that it is public. A
    file without record is withheld if a `similar` one of its exposure is.
    """
    if file.is_withheld or similar.is_withheld:
        return True
    if file.is_withheld is False and (record.is_withheld is False or record is rows.NO_RECORD):
        return False
    if file.is_withheld is record.is_withheld:
        return True
    return not (record.release_date and record.release_date <= asked_at)


def _is_safe(file: CaomProduct) -> bool:
    """Return whether a file's name is safe, with a warning if it is not."""
    is_safe = names.is_safe(file.filename)
    if not is_safe:
        log.warning("left out %.200r: its file name %.200r is not safe", file.uri, file.filename)
    return is_safe


def _by_root(
    records: Iterable[KeywordRecord], roots: Collection[str]
) -> tuple[dict[str, KeywordRecord], dict[str, str]]:
    """Return, by root, the first record of these roots, and SIBLINGS of the newest of each."""
    first: dict[str, KeywordRecord] = {}
    newest: dict[str, KeywordRecord] = {}
    for record in records:
        root, _ = names.root_and_suffix(record.filename)
        if root in roots and record.filename <= first.get(root, record).filename:
            first[root] = record
        other = newest.get(root)
        if other is None or _is_newer(record, other):
            newest[root] = record
    return first, {root: "|".join(_siblings(record)) for root, record in newest.items()}


def _is_newer(record: KeywordRecord, other: KeywordRecord) -> bool:
    date, filename = record.date or "", record.filename
    return date > (other.date or "") or (date == (other.date or "") and filename > other.filename)


def _siblings(record: KeywordRecord) -> Iterator[str]:
    return (getattr(record, name) or "" for name in SIBLINGS)


def _product(
    file: CaomProduct,
    name: names.ProductName,
    record: KeywordRecord,
    similar: KeywordRecord,
    instrument: str | None,
    *,
    siblings: str,
    is_exclusive: bool,
) -> Product:
    """Return a product; what its own record lacks of the exposure comes from a `similar` one."""
    guiding = names.guiding_type(file.filename)
    if name.observation == names.POOL:
        instrument = None  # a pool is of all instruments
    return Product(  # by position, in the order of its fields: four times as fast as by name
        file.uri,
        file.filename,
        name.program,
        name.observation or names.OTHER,
        name.suffix,
        file.level,
        file.size if record.size is None else record.size,
        record.checksum,
        None,  # the validator is added later, where it is needed
        record.cal_ver if record.filename else file.cal_ver,
        record.crds_ctx,
        record.sdp_ver,
        record.date,
        is_exclusive,
        similar.release_date,
        record.is_stale,
        similar.instrument or names.instrument_of(file.filename) or instrument,
        similar.detector or names.detector_of(file.filename),
        similar.filter,
        similar.pupil,
        similar.exp_type or guiding,
        similar.subarray,
        similar.grating,
        similar.date_obs,
        file.group,
        False,  # whether it needs the token is added later
        file.cal_ver,
        siblings,
        file.caom_type,
    )


def _warn_without_checksum(products: Iterable[Product]) -> None:
    """Warn of FITS files without a checksum: their changes are harder to see."""
    filenames = [p.filename for p in products if p.filename.endswith(".fits") and not p.checksum]
    if filenames:
        log.warning("MAST has no checksum of %d FITS files: %s...", len(filenames), filenames[0])


def _warn_without_access(files: Iterable[CaomProduct], records: Iterable[KeywordRecord]) -> None:
    """Warn of files if MAST does not say whether they are public."""
    for column, rows_of_column in (("dataRights", files), ("isRestricted", records)):
        filenames = {row.filename for row in rows_of_column if row.is_withheld is None}
        if filenames:
            log.warning(
                "MAST's column %s says nothing known of %d files, such as %s: they count as "
                "withheld, unless another column shows that they are released",
                *(column, len(filenames), min(filenames)),
            )
