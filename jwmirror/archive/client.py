"""Queries and requests of one poll, for the programs that it asks MAST for."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from msgspec import structs

from jwmirror.archive.doubts import believed_listing, with_closed_products
from jwmirror.archive.evidence.server import FileServer
from jwmirror.archive.evidence.signs import with_known_keywords
from jwmirror.archive.index import HeldIndex
from jwmirror.archive.listing import query_listing
from jwmirror.archive.selection import scope_to_query, select_products
from jwmirror.archive.tables.queries import AT_ONCE, Queries
from jwmirror.archive.transfer import withheld_without_token
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Entry, Listing, Scope, Selection

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProgramTask:
    """One program to poll, and what the config and the mirror say of it."""

    program: int
    selections: tuple[Selection, ...]
    held: HeldIndex
    scope: Scope  # what is selected, or in the mirror
    only: tuple[str, ...]  # observations that events named; empty: all
    former: Listing | None
    last_checked: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class MastClient:
    """Queries to one MAST server, and requests for its files, with a token that it accepts."""

    queries: Queries
    files: FileServer
    is_token_rejected: bool = False  # the user's was

    def answers(
        self, tasks: Iterable[ProgramTask]
    ) -> Iterator[tuple[ProgramTask, Future[Listing]]]:
        """Yield each task with its answer, in order; several programs are queried at a time."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="program") as threads:
            answers = [
                (task, threads.submit(self.ask, task, task.only, task.scope)) for task in tasks
            ]
            try:
                yield from answers
            finally:
                for _, answer in answers:
                    answer.cancel()

    def ask(
        self, task: ProgramTask, only: Sequence[str] = (), scope: Scope | None = None
    ) -> Listing:
        """Return the listing of a program, of a part of it, or of some observations of that.

        If the user's token is rejected, MAST may not list what it withholds: what the mirror has of
        that is listed, too.
        """
        may_be_empty = bool(task.held) or bool(only)
        listing = query_listing(self.queries, task.program, may_be_empty, only, scope)
        if self.is_token_rejected:
            return with_closed_products(listing, task.held, only)
        return listing

    def completed(self, task: ProgramTask, listing: Listing) -> tuple[Listing, set[str]]:
        """Return a listing as far as it is believed, and the selected URIs; log its remarks.

        Held products that were listed as public and came only with the token are requested again
        without it.
        """
        for words in listing.remarks:  # here, so that those of programs do not mix
            log.warning("%s", words)
        held = task.held
        listing = believed_listing(listing, listing.doubts, held)
        needing = held.needing_token()
        to_try = [p for p in listing.products if p.uri in needing and not p.exclusive]
        if to_try:
            needing -= {product.uri for product in to_try}
            needing |= withheld_without_token(to_try, self.files.url, self.files.downloads)
        listing = with_known_keywords(with_token_needs(listing, needing), held)
        return listing, selected_uris(listing, task.selections)


def whole_tasks(selections: Iterable[Selection], entries: Sequence[Entry]) -> Iterator[ProgramTask]:
    """Yield a task for each program: what is selected of it, or is in the mirror."""
    by_program = group_by(selections, lambda selection: selection.program)
    for program, of_program in sorted(by_program.items()):
        held = HeldIndex(entries, program)
        yield ProgramTask(
            program=program,
            selections=tuple(of_program),
            held=held,
            scope=scope_to_query(program, of_program, held.parts()),
            only=(),
            former=None,
            last_checked=str,
        )


def with_token_needs(listing: Listing, uris: Collection[str]) -> Listing:
    """Return the listing with the mark of those products that come only with the token."""
    products = (
        product
        if product.needs_token == (product.uri in uris)
        else structs.replace(product, needs_token=product.uri in uris)
        for product in listing.products
    )
    return replace(listing, products=tuple(products))


def selected_uris(listing: Listing, selections: Iterable[Selection]) -> set[str]:
    """Return the URIs of the products that at least one selection asks for."""
    return {
        product.uri for selection in selections for product in select_products(listing, selection)
    }
