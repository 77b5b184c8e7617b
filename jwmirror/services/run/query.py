"""Ask MAST what the selected programs have, and compare that with the mirror."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from jwmirror.archive.discovery.record import read_searches, selections_of, write_searches
from jwmirror.archive.discovery.search import run_searches
from jwmirror.archive.discovery.summary import describe_answers, unmatched_searches
from jwmirror.archive.doubts import VanishPolicy
from jwmirror.archive.evidence.record import changed_answers, read_answers
from jwmirror.archive.evidence.server import Recheck
from jwmirror.archive.index import COLUMNS
from jwmirror.archive.poll import group_into_orders, poll
from jwmirror.archive.poll_records import (
    previous_changes,
    previous_doubts,
    previous_listings,
    previous_poll_time,
    write_poll,
)
from jwmirror.archive.tables.queries import Queries
from jwmirror.core import names
from jwmirror.core.errors import ArchiveError
from jwmirror.core.matching import name_test
from jwmirror.core.model import (
    Change,
    Doubt,
    Failure,
    Orders,
    Poll,
    Scope,
    Search,
    Selection,
    write,
)
from jwmirror.core.model.product import WITHHELD, Listing, RefusedProduct
from jwmirror.core.model.search import SearchAnswer, SearchRecord
from jwmirror.net.http import TOKEN_VARIABLE
from jwmirror.net.token_socket import request_token
from jwmirror.report.limits import check_fetch
from jwmirror.store import runs
from jwmirror.store.disk_space import check_room
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries, entries_of

REFUSED_FOR = timedelta(days=1)  # then a refused product is requested again

log = logging.getLogger(__name__)


def query_archive(
    *,
    mirror: Path,
    run: Path,
    url: str,
    token_socket: str | None,
    downloads: int,
    selections: Sequence[Selection],
    searches: Sequence[Search] = (),
    vanish_limit: float,
    accept_vanished: Sequence[int],
    recheck: int = 0,
    keep_free: int,
    when_deselected: str = "keep",
    fetch_gb: float | None = None,
    token_variable: str = TOKEN_VARIABLE,
    accept_refused: Sequence[str] = (),
) -> None:
    """Write the poll and the orders into the folder of the `run`, then forget pending events.

    Without `url`, MAST is not asked. What `searches` find is printed, and polled like `selections`.
    `token_socket`: where the session serves the token, if any. `keep_free`: bytes of disk to leave.
    `fetch_gb`: the most to fetch. `recheck`: bytes to read again. `accept_refused`: file names.

    Raises:
        ArchiveError: MAST did not answer for any program.
        LimitError: more is to be fetched than the limit allows.
        StoreError: too little disk space for what is to be fetched.
    """
    if not url:
        _write(run, Poll(listings=(), changes=(), is_skipped=True), Orders())
        return
    events = runs.pending_events(mirror)
    answers, record = _found(mirror, url, searches)
    scopes, former = _limits(run, events.values(), answers)
    (generation, entries), token = _current(mirror), request_token(token_socket)
    again = Recheck(runs.read_undecided(mirror), recheck, generation)
    policy = VanishPolicy(vanish_limit=vanish_limit, accepted=accept_vanished)
    known = (policy, scopes, former, partial(_checked, mirror, run), token_variable, again)
    selections = (*selections, *selections_of(answers))
    polled = _with_answers(poll(url, selections, entries, token, downloads, *known), answers)
    runs.write_undecided(mirror, _undecided_after(polled, again.undecided))
    polled = _completed(polled, mirror, run, is_dropped=when_deselected == "drop")
    _write(run, polled, _orders(mirror, polled, accept_refused, fetch_gb, keep_free))
    write_searches(mirror, record)  # last: what a run that fails found is new to the next one
    runs.remove_events(_used_events(events, polled))


def _write(run: Path, polled: Poll, ordered: Orders) -> None:
    """Write the records of a query."""
    write_poll(run, polled)
    write(runs.RunFiles(run).orders, ordered)


def _found(
    mirror: Path, url: str, searches: Sequence[Search]
) -> tuple[tuple[SearchAnswer, ...], SearchRecord]:
    """Return what the searches find, and the record of that; positions of names are written now.

    No token: MAST lists what exists to all.
    """
    known = read_searches(mirror)
    with Queries(url) as queries:
        answers, record = run_searches(queries, searches, known)
    write_searches(mirror, replace(known, targets=record.targets))
    return answers, record


def _limits(
    run: Path, events: Iterable[Sequence[Scope]], answers: Iterable[SearchAnswer]
) -> tuple[tuple[Scope, ...], dict[int, Listing]]:
    """Return what events limit the poll to, and the former listings of these programs.

    They do not limit it if searches find more than before, which is polled at once.
    """
    has_news = any(answer.has_news for answer in answers)
    scopes = () if has_news else tuple(chain.from_iterable(events))
    return scopes, previous_listings(run, {scope.program for scope in scopes})


def _with_answers(polled: Poll, answers: Sequence[SearchAnswer]) -> Poll:
    """Return a poll with what searches found, and with the doubts of those that failed.

    While one fails, or finds nothing for the first time, no file counts as deselected. ArchiveError
    if nothing else could be polled.
    """
    doubts = tuple(doubt for answer in answers for doubt in answer.doubts)
    if doubts and not (polled.listings or polled.doubts):
        raise ArchiveError("\n".join(map(str, doubts)))
    lines = describe_answers(answers, polled.listings)
    for line in lines:
        log.info("%s", line)
        print(line, flush=True)  # the user sees how much it is, before limits end the run
    is_sure = all(answer.is_sure for answer in answers)
    return replace(
        polled,
        doubts=(*doubts, *polled.doubts),
        unmatched=(*unmatched_searches(answers, polled.listings), *polled.unmatched),
        deselected={uri: mark for uri, mark in polled.deselected.items() if is_sure or not mark},
        searches=lines,
    )


def _current(mirror: Path) -> tuple[int, Entries]:
    """Return the number of the current generation (0 before the first), and what a poll reads."""
    current = Generations(mirror).current()
    return (current.number, current.columns(*COLUMNS)) if current else (0, entries_of(()))


def _orders(
    mirror: Path,
    polled: Poll,
    accept_refused: Sequence[str],
    fetch_gb: float | None,
    keep_free: int,
) -> Orders:
    """Return the orders for what a poll wants, has not arrived, and was not refused lately.

    LimitError, or StoreError, if that is more than the limit, or than the disk has room for.
    """
    products = [change.product for change in polled.changes if change.wants_bytes]
    orders = group_into_orders(polled, runs.fetched_versions(mirror, products))
    orders = without_refused(orders, runs.refused_downloads(mirror, products), accept_refused)
    check_fetch(orders, polled.changes, fetch_gb)
    check_room(mirror, orders, keep_free)
    return orders


def without_refused(
    orders: Orders, refusals: Iterable[Failure], accept: Sequence[str], now: datetime | None = None
) -> Orders:
    """Return the orders without the products whose bytes were refused twice, last within a day.

    They name all products that were refused in the listed version. `refusals` of earlier runs are
    read only if something is ordered; those of files that the patterns `accept` do not count.
    """
    if not orders.products:
        return orders
    is_accepted, by_version = name_test(accept), defaultdict(list)
    for refusal in refusals:
        by_version[refusal.name, refusal.refused].append(refusal)
    refused: dict[str, RefusedProduct] = {}
    for product in chain.from_iterable(orders.products.values()):
        earlier = by_version.get((product.filename, product.fingerprint))
        if earlier and not is_accepted(product.filename):
            refused[product.uri] = _refused_product(earlier)
    time = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    too_early = {uri for uri, product in refused.items() if time < product.until}
    ordered = {
        name: tuple(product for product in products if product.uri not in too_early)
        for name, products in orders.products.items()
    }
    ordered = {name: products for name, products in ordered.items() if products}
    return replace(orders, products=ordered, refused=tuple(refused.values()))


def _refused_product(refusals: Sequence[Failure]) -> RefusedProduct:
    """Return a product that was refused; after the first time it is requested again at once."""
    in_time = sorted(refusals, key=lambda refusal: refusal.at)
    last = in_time[-1]
    pause = REFUSED_FOR if len(in_time) > 1 else timedelta()
    until = datetime.fromisoformat(last.at) + pause
    return RefusedProduct(
        filename=last.name,
        version=last.refused,
        since=in_time[0].at,
        until=until.isoformat(timespec="seconds"),
        why=last.message.partition(";")[0],
    )


def _used_events(events: Mapping[Path, Sequence[Scope]], polled: Poll) -> list[Path]:
    """Return the files of events, without those that name a program that could not be listed."""
    listed = {listing.program for listing in polled.listings}
    failed = {doubt.program for doubt in polled.doubts if not doubt.search} - listed
    return [file for file, named in events.items() if failed.isdisjoint(s.program for s in named)]


def _dated(doubts: Iterable[Doubt], run: Path) -> tuple[Doubt, ...]:
    """Return doubts with the time of the first of the polls in a row that have each of them."""
    doubts = tuple(doubts)
    earlier = previous_doubts(run, {doubt.program for doubt in doubts})
    since = {doubt.scope: doubt.since for doubt in earlier}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return tuple(replace(doubt, since=since.get(doubt.scope) or now) for doubt in doubts)


def _with_times(changes: Sequence[Change], run: Path) -> tuple[Change, ...]:
    """Return the changes; those that the poll before found, too, with the time of the first one.

    Withheld files are found by each poll, so they have no time.
    """
    programs = {change.product.program for change in changes if change.kind != WITHHELD}
    since = previous_changes(run, programs)
    return tuple(
        replace(change, since=since[change.name]) if change.name in since else change
        for change in changes
    )


def _checked(mirror: Path, run: Path, program: int) -> str:
    """Return when a program was last polled before a run; else when its files were published."""
    current = Generations(mirror).current()
    polled_at = previous_poll_time(run, program)
    return polled_at or (current.made_at if current else "")


def _undecided_after(polled: Poll, former: Mapping[str, str]) -> dict[str, str]:
    """Return the undecided files, by URI, since when; those of programs not polled as before.

    Without those that are not selected any more.
    """
    listed = {listing.program for listing in polled.listings}
    others = {uri: since for uri, since in former.items() if _program_of(uri) not in listed}
    return {u: t for u, t in others.items() if not polled.deselected.get(u)} | polled.undecided


def _program_of(uri: str) -> int | None:
    return names.program_of(uri.rpartition("/")[2])


def _completed(polled: Poll, mirror: Path, run: Path, *, is_dropped: bool) -> Poll:
    """Return the poll as it is recorded; undecided files have a record of all polls.

    What MAST answered otherwise than to `jwmirror doctor` is in it, and logged.
    """
    others = tuple(changed_answers(read_answers(mirror), polled))
    for words in others:
        log.warning("%s", words)
    return replace(
        polled,
        changes=_with_times(polled.changes, run),
        doubts=_dated(polled.doubts, run),
        drops_deselected=is_dropped,
        undecided={},
        other_answers=others,
    )
