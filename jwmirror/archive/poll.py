"""A poll: what the selected programs hold now, and how that differs from what the mirror holds."""

import gc
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from jwmirror.archive.changes import compare_listing, describe_change
from jwmirror.archive.events import limit_poll, merge_part, no_longer_listed
from jwmirror.archive.index import HeldIndex
from jwmirror.archive.listing import query_listing
from jwmirror.archive.selection import select_products, unmatched_criteria
from jwmirror.archive.validators import add_validators
from jwmirror.core.model import (
    NEW,
    VANISHED,
    Change,
    Entry,
    Listing,
    Orders,
    Poll,
    Product,
    Scope,
    Selection,
    Version,
    digest,
)


@dataclass(frozen=True, kw_only=True)
class VanishPolicy:
    """How much may vanish at once, and of which programs the user said that it did."""

    vanish_limit: float = 0.5  # of a program's held products, 0 to 1
    accepted: Collection[int] = ()


def vanish_doubt(
    listing: Listing, changes: Sequence[Change], held: HeldIndex, policy: VanishPolicy
) -> str:
    """Why the vanished products among `changes` are not believed; "" if they are.

    A listing that lacks more of them than the limit is more
    likely a fault of the archive than a fact.
    """
    present = held.present
    gone = sum(change.kind == VANISHED for change in changes)
    if gone <= policy.vanish_limit * present or listing.program in policy.accepted:
        return ""
    return (
        f"program {listing.program}: MAST lists {gone} of {present} held products no more; "
        f"expected at most {policy.vanish_limit:.0%} (archive.vanish_limit) to vanish between two "
        "polls, so this is not believed and they stay as they were; look at the program at MAST, "
        f"and if it is so run `snakemake --config accept_vanished={listing.program}` once."
    )


def without_vanished(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes but for what vanished."""
    return tuple(change for change in changes if change.kind != VANISHED)


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProgramPoll:
    """What a poll found of one program."""

    listing: Listing
    changes: tuple[Change, ...]
    lacking: tuple[str, ...]  # what the selections name and MAST has not
    is_first: bool
    doubt: str
    only: tuple[str, ...]  # the observations that were asked for; empty: all


def poll(
    url: str,
    selections: Sequence[Selection],
    entries: Sequence[Entry],
    token: str | None,
    downloads: int,
    policy: VanishPolicy | None = None,
    hints: Iterable[Scope] = (),
    former: Mapping[int, Listing] | None = None,
) -> Poll:
    """Ask the server at `url` for each program of the selections, one after the other.

    Several selections of one program add up. Where `hints` name some of what is selected, only
    that is asked for, and laid over the program's `former` listing; a program without one, or of
    which nothing is held, is asked for as a whole. ArchiveError unless every listing came whole.
    """
    limited = limit_poll(selections, hints)
    ordered = sorted(
        (each for each in selections if not limited or each.program in limited),
        key=lambda selection: selection.program,
    )
    server = MastClient(url=url, token=token, downloads=downloads)
    with gc_paused():
        found = [
            _poll_program(
                server,
                number,
                tuple(chosen),
                entries,
                policy or VanishPolicy(),
                limited.get(number, ()),
                (former or {}).get(number),
            )
            for number, chosen in groupby(ordered, key=lambda selection: selection.program)
        ]
    return Poll(
        listings=tuple(each.listing for each in found),
        changes=tuple(change for each in found for change in each.changes),
        unmatched=tuple(words for each in found for words in each.lacking),
        first=tuple(each.listing.program for each in found if each.is_first),
        limited_to=tuple(
            Scope(program=each.listing.program, observations=each.only) for each in found if limited
        ),
        doubts={str(each.listing.program): each.doubt for each in found if each.doubt},
    )


@contextmanager
def gc_paused() -> Iterator[None]:
    """Spare the search for cycles: records have none, and each search would look at them all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, kw_only=True)
class MastClient:
    """A MAST server, and how to talk to it."""

    url: str
    token: str | None
    downloads: int

    def listing(
        self,
        program: int,
        selections: Sequence[Selection],
        held: HeldIndex,
        only: Sequence[str] = (),
    ) -> tuple[Listing, set[str]]:
        """What it holds of a program, or of some observations, and the URIs that are selected.

        What of these has no checksum is looked at.
        """
        may_be_empty = bool(held) or bool(only)
        listing = query_listing(self.url, program, self.token, may_be_empty=may_be_empty, only=only)
        chosen = _chosen(listing, selections)
        known = held.validators()
        return add_validators(listing, self.url, known, self.token, self.downloads, chosen), chosen


def _chosen(listing: Listing, selections: Iterable[Selection]) -> set[str]:
    return {product.uri for each in selections for product in select_products(listing, each)}


def _poll_program(
    server: MastClient,
    program: int,
    selections: Sequence[Selection],
    entries: Sequence[Entry],
    policy: VanishPolicy,
    only: tuple[str, ...],
    former: Listing | None,
) -> ProgramPoll:
    """One program's listing, its changes, and what of it is missing or not believed."""
    held = HeldIndex(entries, program)
    listing = None
    if only and held and former:
        part, _ = server.listing(program, selections, held, only)
        if listing := _updated(former, part, only):
            chosen = _chosen(listing, selections)
    if listing is None:
        only, (listing, chosen) = (), server.listing(program, selections, held)
    changes = compare_listing(listing, chosen, held, has_access=bool(server.token))
    doubt = vanish_doubt(listing, changes, held, policy)
    found = ProgramPoll(
        listing=listing,
        changes=without_vanished(changes) if doubt else changes,
        lacking=tuple(
            f"program {program}, {words}"
            for each in selections
            for words in unmatched_criteria(listing, each)
        ),
        is_first=not held,
        doubt=doubt,
        only=only,
    )
    _tell(found, len(chosen))
    return found


def _updated(former: Listing, part: Listing, only: Sequence[str]) -> Listing | None:
    """A program's listing with some observations brought up to date; None if that cannot tell."""
    absent = no_longer_listed(former, part, only)
    if not absent:
        return merge_part(former, part, only)
    log.info(
        "program %d: %s and %d more are not listed with their observation any more; asking for "
        "the whole program",
        former.program,
        absent[0].filename,
        len(absent) - 1,
    )
    return None


def _tell(found: ProgramPoll, selected: int) -> None:
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
            log.info("%s", describe_change(change))
    for words in found.lacking:
        log.warning("%s: nothing of that at MAST; see the keys in config/README.md", words)
    if found.doubt:
        log.warning("%s", found.doubt)


NAME_DIGITS = 16  # of the digest in an order's name


def group_into_orders(poll: Poll, fetched: Iterable[Version]) -> Orders:
    """One order per observation: jw01345-o001.<digest> -> its products, sorted by URI.

    The digest covers when it was asked, so that what failed is ordered afresh by the next run.
    `fetched` is read only if something is wanted.
    """
    wanted = [change.product for change in poll.changes if change.wants_bytes]
    if not wanted:
        return Orders()
    arrived = {(version.product.uri, version.product.fingerprint) for version in fetched}
    grouped: dict[str, list[Product]] = defaultdict(list)
    for product in sorted(wanted, key=lambda product: product.uri):
        if (product.uri, product.fingerprint) not in arrived:
            grouped[f"jw{product.program:05d}-{product.observation}"].append(product)
    asked = [listing.asked_at for listing in poll.listings]
    return Orders(
        products={
            f"{name}.{digest((asked, products))[:NAME_DIGITS]}": tuple(products)
            for name, products in sorted(grouped.items())
        }
    )
