"""A poll: what the selected programs hold now, and how that differs from what the mirror holds."""

import logging
from collections.abc import Sequence
from itertools import groupby

from jwmirror.archive.changes import compare, explain
from jwmirror.archive.listings import ask
from jwmirror.archive.selection import select, unmatched
from jwmirror.archive.validators import observe
from jwmirror.records import UPSTREAM, Change, Entry, Listing, Poll, Selection

log = logging.getLogger(__name__)


def poll(
    url: str,
    selections: Sequence[Selection],
    entries: Sequence[Entry],
    token: str | None,
    downloads: int,
) -> Poll:
    """Ask the server at `url` for each program of the selections, one after the other.

    Several selections of one program add up. ArchiveError unless every listing came whole.
    """
    ordered = sorted(selections, key=lambda selection: selection.program)
    found = [
        _poll_program(url, program, tuple(chosen), entries, token, downloads)
        for program, chosen in groupby(ordered, key=lambda selection: selection.program)
    ]
    return Poll(
        listings=tuple(listing for listing, _, _ in found),
        changes=tuple(change for _, changes, _ in found for change in changes),
        unmatched=tuple(words for _, _, lacking in found for words in lacking),
    )


def _poll_program(
    url: str,
    program: int,
    selections: Sequence[Selection],
    entries: Sequence[Entry],
    token: str | None,
    downloads: int,
) -> tuple[Listing, tuple[Change, ...], tuple[str, ...]]:
    """One program's listing, its changes, and what of the selections matched nothing."""
    held = [e for e in entries if e.origin == UPSTREAM and e.product.program == program]
    listing = ask(url, program, token)
    chosen = {product.uri for each in selections for product in select(listing, each)}
    known = {entry.product.uri: entry.product for entry in held}
    listing = observe(listing, url, known, token, downloads, chosen)
    changes = compare(listing, chosen, held, has_access=bool(token))
    log.info(
        "program %d: %d products listed, %d selected, %d changes",
        program,
        len(listing.products),
        len(chosen),
        len(changes),
    )
    for change in changes:
        log.info("%s", explain(change))
    lacking = [
        f"program {program}, {words}" for each in selections for words in unmatched(listing, each)
    ]
    for words in lacking:
        log.warning("%s: nothing of that at MAST; see the keys in config/README.md", words)
    return listing, changes, tuple(lacking)
