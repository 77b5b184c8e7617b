"""Rows of MAST's observations for a search, as programs with their observations.

MAST compares a circle with the footprint of an observation, so a row's position may be outside.
Categories of programs are in two places. CAOM's `proposal_type` has them for some rows; others say
"JWST" (recorded of program 1039). The keyword tables have CATEGORY and SUBCAT.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from jwmirror.archive.tables.cells import (
    NOT_UNDERSTOOD,
    PLANNED,
    as_level,
    as_program,
    text_or_blank,
)
from jwmirror.archive.tables.portal import KEYWORDS, NEAR, OBSERVATIONS, Filter, filter_of
from jwmirror.archive.tables.queries import Queries
from jwmirror.core import names
from jwmirror.core.model.search import ANY_PROGRAM, EARLY_RELEASE, Cone, FoundParts, Search

COLUMNS = ("obs_id", "proposal_id", "proposal_type", "calib_level")
CATEGORIES = frozenset(
    ("AR", "CAL", "COM", "DD", "ENG", "ERO", "ERS", "GO", "GTO", "NASA", "SURVEY")
)
NO_CATEGORY = "JWST"  # what CAOM may say in place of one
TABLES = ("Nircam", "Nirspec", "Niriss", "Miri", "Fgs")
MOST_PROGRAMS = 100  # that are named in a query
MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)

log = logging.getLogger(__name__)


class FoundRow(msgspec.Struct):
    """A row of the observations that a search found."""

    obs_id: Any = None
    proposal_id: Any = None
    proposal_type: Any = None
    calib_level: Any = None


class ProgramRow(msgspec.Struct):
    """The program of a row of a keyword table."""

    program: Any = None


def find_parts(queries: Queries, search: Search, cone: Cone | None) -> FoundParts:
    """Return the programs and observations that a search finds, in one circle if there is one.

    Raises:
        ArchiveError: MAST did not answer completely.
    """
    only, parts = search.criteria.program, defaultdict[int, set[str]](set)
    types: dict[int, set[str]] = defaultdict(set)
    for row in _rows(queries, search, cone):
        if (program := _program(row)) and not _is_planned(row) and only in (ANY_PROGRAM, program):
            parts[program].add(names.observation_of(text_or_blank(row.obs_id)))
            types[program].add(text_or_blank(row.proposal_type).partition("/")[0].upper())
    wanted = search.categories
    programs = sorted(_of_categories(queries, types, wanted) if wanted else parts)
    if search.is_of_programs:
        return {str(program): () for program in programs}
    named = {str(program): tuple(sorted(parts[program] - {"", names.POOL})) for program in programs}
    return {program: some for program, some in named.items() if some}


def _rows(queries: Queries, search: Search, cone: Cone | None) -> list[FoundRow]:
    """Return the rows of observations that a search may find; `find_parts` checks categories."""
    filters = [filter_of("obs_collection", ["JWST"])]
    if search.criteria.program:
        filters.append(_of_programs([search.criteria.program]))
    if search.released_after:
        first = datetime.fromisoformat(search.released_after).replace(tzinfo=UTC)
        span = {"min": _mjd(first), "max": _mjd(datetime.now(UTC))}
        filters.append(filter_of("t_obs_release", [span]))
    if cone or search.criteria.program or not search.categories:
        return _ask(queries, filters, cone)
    types = filter_of("proposal_type", [*search.categories, NO_CATEGORY])
    rows = _ask(queries, [*filters, types])
    if EARLY_RELEASE in search.categories:
        for some in _groups(_by_keywords(queries, [EARLY_RELEASE])):
            rows += _ask(queries, [*filters, _of_programs(some)])
    return rows


def _ask(queries: Queries, filters: list[Filter], cone: Cone | None = None) -> list[FoundRow]:
    position = f"{cone.ra:.9f}, {cone.dec:.9f}, {cone.radius:.9f}" if cone else ""
    service = NEAR if cone else OBSERVATIONS
    query = queries.submit(
        lambda portal: portal.filtered(FoundRow, service, filters, COLUMNS, position)
    )
    return query.result().rows


def _of_programs(programs: Iterable[int]) -> Filter:
    """Return the filter of some programs, in both spellings that have been seen in CAOM."""
    return filter_of("proposal_id", [text for n in programs for text in (str(n), f"{n:05d}")])


def _groups(programs: Collection[int]) -> Iterator[list[int]]:
    """Yield programs in groups that one query can name."""
    ordered = sorted(programs)
    for start in range(0, len(ordered), MOST_PROGRAMS):
        yield ordered[start : start + MOST_PROGRAMS]


def _mjd(time: datetime) -> float:
    return (time - MJD_EPOCH).total_seconds() / 86400


# ---- categories ------------------------------------------------------------------------------


def _of_categories(
    queries: Queries, types: dict[int, set[str]], categories: Sequence[str]
) -> set[int]:
    """Return the programs of some categories; `types` are what CAOM says of each program.

    The keyword tables are queried for programs without a category in CAOM, and for ERO, which is a
    sub-category there.
    """
    wanted = set(categories)
    programs = {program for program, words in types.items() if words & wanted}
    if EARLY_RELEASE in wanted:
        unsure = types.keys() - programs
    else:
        unsure = {program for program, words in types.items() if not words & CATEGORIES}
    for some in _groups(unsure):
        programs |= _by_keywords(queries, categories, some) & set(some)
    return programs


def _by_keywords(
    queries: Queries, categories: Iterable[str], programs: Iterable[int] = ()
) -> set[int]:
    """Return the programs, or those of some programs, that keyword tables have in a category."""
    numbers = [str(program) for program in programs]
    limit = [filter_of("program", numbers)] if numbers else []
    answers = [
        queries.submit(partial(_keyword_rows, f"{KEYWORDS}{table}", [each, *limit]))
        for table in TABLES
        for each in _category_filters(set(categories))
    ]
    return {number for answer in answers for number in answer.result()}


def _category_filters(wanted: set[str]) -> Iterator[Filter]:
    """Yield the filters of the keyword tables; a row has to pass one of them."""
    if wanted - {EARLY_RELEASE}:
        yield filter_of("category", sorted(wanted - {EARLY_RELEASE}))
    if EARLY_RELEASE in wanted:
        yield filter_of("subcat", [EARLY_RELEASE])


def _keyword_rows(service: str, filters: list[Filter], portal: Any) -> set[int]:
    """Return the programs of the rows of a keyword table that pass filters."""
    rows = portal.filtered(ProgramRow, service, filters, ("program",)).rows
    return set(filter(None, (_number(row.program) for row in rows)))


# ---- cells -----------------------------------------------------------------------------------


def _program(row: FoundRow) -> int | None:
    """Return the program of a row, by the name of its observation, or by its number."""
    program = names.program_of(text_or_blank(row.obs_id)) or _number(row.proposal_id)
    if not program:
        log.warning("left out a row of MAST's observations without a program: %.200r", row)
    return program


def _number(cell: Any) -> int | None:
    try:
        return as_program(cell)
    except NOT_UNDERSTOOD:
        return None


def _is_planned(row: FoundRow) -> bool:
    try:
        return as_level(row.calib_level) == PLANNED
    except NOT_UNDERSTOOD:
        return False
