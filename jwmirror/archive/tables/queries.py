"""Queries to MAST at the same time, and product lists of groups that shrink where MAST fails."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from jwmirror.archive.tables.portal import QUERY_TIMEOUTS, TIMEOUT_S, Portal
from jwmirror.archive.tables.reader import MastTable
from jwmirror.core.errors import ArchiveError, MaintenanceError
from jwmirror.net.http import Timeouts

T = TypeVar("T")
AT_ONCE = 8  # requests
GROUP = 10  # observations per query for products: larger joins time out at MAST (astroquery 2507)
MOST_FAILURES = 10  # observations one after the other; then the program fails


class Queries:
    """Queries to one MAST server, at most eight at a time.

    astroquery's sessions are not safe in several threads, so each thread has its own. It uses one
    server per process: the first that was queried.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,  # for each query
        timeouts: Timeouts = QUERY_TIMEOUTS,
    ):
        self.url, self._token, self._timeout_s, self._timeouts = url, token, timeout_s, timeouts
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="query")
        self._local, self._portals = threading.local(), list[Portal]()

    def submit(self, query: Callable[[Portal], T]) -> Future[T]:
        """Return the future answer to a query, which raises ArchiveError if that fails."""
        return self._threads.submit(lambda: query(self._portal()))

    @property
    def traffic(self) -> tuple[int, int]:
        """The requests so far, and the bytes of their answers."""
        counts = [portal.traffic for portal in self._portals]
        return sum(requests for requests, _ in counts), sum(received for _, received in counts)

    def _portal(self) -> Portal:
        """Return this thread's client."""
        if not hasattr(self._local, "portal"):
            portal = Portal(self.url, self._token, self._timeout_s, self._timeouts)
            self._local.portal = portal
            self._portals.append(portal)
        client: Portal = self._local.portal
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        for portal in self._portals:
            portal.close()


class ProductLists(NamedTuple, Generic[T]):
    """The products of some observations, and why those of others could not be read, by obsid."""

    products: list[T]
    failures: dict[str, ArchiveError]


def query_products(
    queries: Queries, obsids: Sequence[str], read: Callable[[MastTable], Iterable[T]]
) -> ProductLists[T]:
    """Return the products of observations, in order, several observations per query.

    Tables are `read` in order, as soon as those before are: the rows of all would take much memory.
    MAST fails for groups with many products, so that a group that fails is queried again in
    smaller ones. Raises ArchiveError if nothing but failures comes, or ten in a row, or a page of
    maintenance.
    """
    waiting, size, in_a_row = list(obsids), GROUP, 0
    asked: dict[Future[MastTable], list[str]] = {}
    lists = _OrderedReader(obsids, read)
    failures: dict[str, ArchiveError] = {}
    try:
        while waiting or asked:
            while waiting and len(asked) < AT_ONCE:
                group, waiting = waiting[:size], waiting[size:]
                asked[queries.submit(partial(_products_of, group))] = group
            for answer in wait(asked, return_when=FIRST_COMPLETED).done:
                group, table = asked.pop(answer), None
                try:
                    table, in_a_row = answer.result(), 0
                except MaintenanceError:
                    raise
                except ArchiveError as error:
                    if len(group) > 1:
                        waiting, size = [*group, *waiting], max(1, min(size, len(group) // 2))
                        continue
                    failures[group[0]], in_a_row = error, in_a_row + 1
                    if in_a_row >= MOST_FAILURES:
                        raise
                lists.add(group, table)
    finally:
        for answer in asked:
            answer.cancel()
    if len(failures) == len(obsids) > 0:
        raise next(iter(failures.values()))
    return ProductLists(lists.products, failures)


class _OrderedReader(Generic[T]):
    """Tables that come in any order, and are read in that of their observations."""

    def __init__(self, obsids: Sequence[str], read: Callable[[MastTable], Iterable[T]]):
        self.products: list[T] = []
        self._left, self._read = deque(obsids), read
        self._tables: dict[str, MastTable | None] = {}  # by the first observation of a group

    def add(self, group: Sequence[str], table: MastTable | None) -> None:
        """Take the table of a group, if there is one, and read what is next."""
        self._tables |= {**dict.fromkeys(group), group[0]: table}
        while self._left and self._left[0] in self._tables:
            if ready := self._tables.pop(self._left.popleft()):
                self.products += self._read(ready)


def _products_of(obsids: Sequence[str], portal: Portal) -> MastTable:
    return portal.products(obsids)
