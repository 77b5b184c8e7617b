"""A poll: what the selected programs hold now, and how that differs from what the mirror holds."""

import gc
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from jwmirror.archive.changes import compare, explain
from jwmirror.archive.doubts import Policy, doubted, without_vanished
from jwmirror.archive.listings import ask
from jwmirror.archive.selection import select, unmatched
from jwmirror.archive.validators import observe
from jwmirror.records import NEW, UPSTREAM, Change, Entry, Listing, Poll, Selection

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a poll found of one program."""

    listing: Listing
    changes: tuple[Change, ...]
    lacking: tuple[str, ...]  # what the selections name and MAST has not
    is_first: bool
    doubt: str


def poll(
    url: str,
    selections: Sequence[Selection],
    entries: Sequence[Entry],
    token: str | None,
    downloads: int,
    policy: Policy | None = None,
    hints: Collection[int] = (),
) -> Poll:
    """Ask the server at `url` for each program of the selections, one after the other.

    Several selections of one program add up. Where `hints` name some of the programs, only those
    are asked for. ArchiveError unless every listing came whole.
    """
    limited = sorted({each.program for each in selections} & set(hints))
    ordered = sorted(
        (each for each in selections if not limited or each.program in limited),
        key=lambda selection: selection.program,
    )
    with records_only():
        found = [
            _poll_program(url, number, tuple(chosen), entries, token, downloads, policy or Policy())
            for number, chosen in groupby(ordered, key=lambda selection: selection.program)
        ]
    return Poll(
        listings=tuple(each.listing for each in found),
        changes=tuple(change for each in found for change in each.changes),
        unmatched=tuple(words for each in found for words in each.lacking),
        first=tuple(each.listing.program for each in found if each.is_first),
        limited_to=tuple(limited),
        doubts={str(each.listing.program): each.doubt for each in found if each.doubt},
    )


@contextmanager
def records_only() -> Iterator[None]:
    """Spare the search for cycles: records have none, and each search would look at them all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _poll_program(
    url: str,
    program: int,
    selections: Sequence[Selection],
    entries: Sequence[Entry],
    token: str | None,
    downloads: int,
    policy: Policy,
) -> Found:
    """One program's listing, its changes, and what of it is missing or not believed."""
    held = [e for e in entries if e.origin == UPSTREAM and e.product.program == program]
    listing = ask(url, program, token, may_be_empty=bool(held))
    chosen = {product.uri for each in selections for product in select(listing, each)}
    known = {entry.product.uri: entry.product for entry in held}
    listing = observe(listing, url, known, token, downloads, chosen)
    changes = compare(listing, chosen, held, has_access=bool(token))
    doubt = doubted(listing, changes, held, policy)
    found = Found(
        listing=listing,
        changes=without_vanished(changes) if doubt else changes,
        lacking=tuple(
            f"program {program}, {words}"
            for each in selections
            for words in unmatched(listing, each)
        ),
        is_first=not held,
        doubt=doubt,
    )
    _tell(found, len(chosen))
    return found


def _tell(found: Found, selected: int) -> None:
    """Log what was found; a first poll has no history, so its new products are only counted."""
    log.info(
        "program %d: %d products listed, %d selected, %d changes%s",
        found.listing.program,
        len(found.listing.products),
        selected,
        len(found.changes),
        " (first poll)" if found.is_first else "",
    )
    for change in found.changes:
        if not (found.is_first and change.kind == NEW):
            log.info("%s", explain(change))
    for words in found.lacking:
        log.warning("%s: nothing of that at MAST; see the keys in config/README.md", words)
    if found.doubt:
        log.warning("%s", found.doubt)
