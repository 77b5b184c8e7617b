"""Searches at MAST: each becomes the programs and observations that it finds.

A name is resolved once, and what a search found stays selected while the config does not change it:
another answer of MAST takes nothing away.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from jwmirror.archive.discovery.observations import find_parts
from jwmirror.archive.discovery.targets import resolve_target, target_name
from jwmirror.archive.tables.queries import AT_ONCE, Queries
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Doubt
from jwmirror.core.model.search import (
    ANY_PROGRAM,
    Cone,
    FoundParts,
    ResolvedTarget,
    Search,
    SearchAnswer,
    SearchRecord,
)

Targets = dict[str, ResolvedTarget]

log = logging.getLogger(__name__)


def run_searches(
    queries: Queries, searches: Iterable[Search], record: SearchRecord
) -> tuple[tuple[SearchAnswer, ...], SearchRecord]:
    """Return what each search finds, and the record of it; a part that fails is a doubt."""
    searches = tuple(searches)
    targets, failures = _resolved(queries, searches, record.targets)
    answers = tuple(_answer(queries, search, record, targets, failures) for search in searches)
    found = {
        answer.search.key: answer.found for answer in answers if answer.found or not answer.doubts
    }
    return answers, SearchRecord(targets=targets, found=found)


def _resolved(
    queries: Queries, searches: Iterable[Search], known: Targets
) -> tuple[Targets, dict[str, str]]:
    """Return the positions of all targets, and why others have none; only new names are queried."""
    wanted = {target_name(name): name for search in searches for name in search.targets}
    new = {key: name for key, name in wanted.items() if key not in known}
    asked = {key: queries.submit(partial(resolve_target, name=new[key])) for key in new}
    targets, failures = dict(known), dict[str, str]()
    for key, answer in asked.items():
        try:
            target = targets[key] = answer.result()
        except ArchiveError as err:
            failures[key] = str(err)
            continue
        place = (target.canonical, target.resolver, target.ra, target.dec)
        log.info("target %s: %s by %s, at %.6f %+.6f; this is kept", wanted[key], *place)
    return targets, failures


def _answer(
    queries: Queries,
    search: Search,
    record: SearchRecord,
    targets: Targets,
    failures: dict[str, str],
) -> SearchAnswer:
    """Return what a search finds now, joined with what it found in earlier runs."""
    keys = [target_name(name) for name in search.targets]
    cones = _cones(search, [targets[key] for key in keys if key in targets])
    now, whys = _found(queries, search, cones)
    whys = [*(failures[key] for key in keys if key in failures), *whys]
    for why in whys:
        log.warning("%s: %s", search.place, why)
    former = record.found.get(search.key)
    return SearchAnswer(
        search=search,
        found=joined(former or {}, now),
        added=() if former is None else tuple(_more(now, former)),
        missing=() if whys else tuple(_more(former or {}, now)),
        doubts=tuple(Doubt(program=ANY_PROGRAM, search=search.place, why=why) for why in whys),
        is_first=former is None,
    )


def _found(
    queries: Queries, search: Search, cones: Iterable[Cone | None]
) -> tuple[FoundParts, list[str]]:
    """Return what is found in some circles, and why that of others is not known."""
    found: FoundParts = {}
    whys = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="search") as threads:
        for answer in [threads.submit(find_parts, queries, search, cone) for cone in cones]:
            try:
                found = joined(found, answer.result())
            except ArchiveError as err:
                whys.append(str(err))
    return found, whys


def _cones(search: Search, targets: Sequence[ResolvedTarget]) -> Iterator[Cone | None]:
    """Yield the circles of a search; None for one without targets and position."""
    if search.position:
        yield search.position
    for target in targets:
        yield Cone(ra=target.ra, dec=target.dec, radius=search.radius)
    if not (search.position or search.targets):
        yield None


def joined(one: FoundParts, other: FoundParts) -> FoundParts:
    """Return what either of two searches found; a whole program includes its parts."""
    both: FoundParts = {}
    for program in sorted({*one, *other}, key=int):
        parts = [found[program] for found in (one, other) if program in found]
        both[program] = tuple(sorted(set().union(*parts))) if all(parts) else ()
    return both


def _more(found: FoundParts, known: FoundParts) -> Iterator[str]:
    """Yield in words what is found and not known; a whole program includes its parts."""
    for program, parts in found.items():
        former = known.get(program)
        if former is None or (former and not parts):
            yield program_words(program, parts)
        elif former and (new := sorted({*parts} - {*former})):
            yield program_words(program, new)


def program_words(program: str, parts: Iterable[str]) -> str:
    """Return a program with its observations in words: program 1345 (o001, o002)."""
    return f"program {program}" + (f" ({', '.join(parts)})" if (parts := tuple(parts)) else "")
