"""Queries to MAST's Portal through astroquery: complete tables in bounded time."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import GenericAlias
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from jwmirror.archive.tables.reader import MastTable, Row
from jwmirror.archive.tables.rows import KeywordRow, ObservationRow, ProductRow
from jwmirror.core.errors import ArchiveError
from jwmirror.net.bounds import JsonBudget, bound_responses
from jwmirror.net.http import (
    REDIRECTS,
    USER_AGENT,
    Timeouts,
    base_url,
    check_token_url,
    error_words,
    retry_policy,
    trusted_certificates,
)

QUERY_TIMEOUTS = Timeouts(connect_s=15, read_s=180)  # queries may take long
TIMEOUT_S = 3600.0  # for all queries of one Portal
SECRETS = ("Cookie", "Authorization")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # before a query is repeated (status EXECUTING)
KEYWORDS = "Mast.Jwst.Filtered."
LARGEST_ANSWER = 1 << 29  # bytes of an answer, with all its pages
MOST_VALUES = 15_000_000  # in an answer; 300,000 rows of products have 9 million
VALUES_OF_PAGE = 10_000  # that a page counts as, though it may be empty: 1,500 pages at most

Filter = dict[str, Any]  # as the Portal takes it: {"paramName": ..., "values": [...]}


class AnswerPage(msgspec.Struct):
    """One page of an answer; its data are decoded only if the status and paging are as expected."""

    status: Any = None
    msg: Any = None
    paging: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class Portal:
    """The tables of one MAST server; each query returns all rows, or raises ArchiveError."""

    def __init__(self, url: str, token: str | None, timeout_s: float, timeouts: Timeouts):
        self.url = base_url(url)
        if token:
            check_token_url(self.url)
        mast = _astroquery(self.url)
        with _astroquery_errors("the session"):
            self._observations = mast.ObservationsClass()
            self._mast = mast.MastClass()
        self._adapter = BoundedAdapter(self.url, timeouts, time.monotonic() + timeout_s)
        for client in (self._observations, self._mast):
            session = client._session  # astroquery offers no other way to bound a request's time
            session.mount("http://", self._adapter)
            session.mount("https://", self._adapter)
            session.max_redirects = REDIRECTS
            session.hooks["response"].clear()  # which log headers, and so the token, at level DEBUG
            session.headers["User-Agent"] = f"{USER_AGENT} {session.headers['User-Agent']}"
            if token:
                with _astroquery_errors("the log-in with the token"):
                    client.login(token=token)

    def observations(self, program: int) -> MastTable:
        """Return CAOM's rows of a program's observations."""
        spellings = list(dict.fromkeys((str(program), f"{program:05d}")))
        query = self._observations.query_criteria_async
        return self._table(
            ObservationRow,
            f"observations of program {program}",
            lambda: query(obs_collection="JWST", proposal_id=spellings),
        )

    def products(self, obsids: Sequence[str]) -> MastTable:
        """Return CAOM's rows of the products of some observations, some products many times."""
        return self._table(
            ProductRow,
            f"products of observations {obsids[0]}..{obsids[-1]}",
            lambda: self._observations.get_product_list_async(list(obsids)),
        )

    def keywords(
        self, table: str, program: int, columns: Sequence[str], observations: Sequence[int] = ()
    ) -> MastTable:
        """Return rows of Mast.Jwst.Filtered.<table> of a program, with these columns at least.

        The program is queried as text, and as a number if that finds nothing: both spellings have
        been seen in MAST's tables. All columns are requested if MAST refuses one of `columns`.
        """
        spellings = [text for number in observations for text in (str(number), f"{number:03d}")]
        limit = [{"paramName": "observtn", "values": spellings}] if spellings else []
        by_text: Filter = {"paramName": "program", "values": [str(program)]}
        rows = self._filtered(table, [by_text, *limit], columns)
        if rows.rows:
            return rows
        by_number: Filter = {"paramName": "program", "values": [{"min": program, "max": program}]}
        return self._filtered(table, [by_number, *limit], columns)

    def _filtered(self, table: str, filters: list[Filter], columns: Sequence[str]) -> MastTable:
        try:
            return self._query(table, filters, ",".join(columns))
        except QueryRefusedError:
            return self._query(table, filters, "*")

    def _query(self, table: str, filters: list[Filter], columns: str) -> MastTable:
        service, params = f"{KEYWORDS}{table}", {"columns": columns, "filters": filters}
        return self._table(
            KeywordRow, service, lambda: self._mast.service_request_async(service, params)
        )

    def _table(
        self, kind: type[Row], what: str, query: Callable[[], list[requests.Response]]
    ) -> MastTable:
        """Return all rows of an answer; ArchiveError unless every announced row is there."""
        self._adapter.budget = JsonBudget(LARGEST_ANSWER, MOST_VALUES)
        with _astroquery_errors(what):
            pages = [response.content for response in query()]
        return read_pages(kind, what, pages)


class QueryRefusedError(ArchiveError):
    """The server answered a query with status ERROR."""


class BoundedAdapter(HTTPAdapter):
    """An HTTP adapter for requests: bounds of time and size, secrets for one server only.

    All answers that come until `budget` is set again share it.
    """

    def __init__(self, url: str, timeouts: Timeouts, deadline: float):
        self._home, self._timeouts, self._deadline = urlsplit(url), timeouts, deadline
        self._last: Any = None  # body of the last request
        self._pause_s = FIRST_PAUSE_S
        self.budget = JsonBudget(LARGEST_ANSWER, MOST_VALUES)
        super().__init__(max_retries=retry_policy(timeouts))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of connections."""
        super().init_poolmanager(*args, **kwargs)
        bound_responses(self.poolmanager, LARGEST_ANSWER)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the manager of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        bound_responses(manager, LARGEST_ANSWER)
        return manager

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request; one that repeats the last query waits first."""
        self._wait_to_repeat(request)
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise requests.Timeout("the time for queries is over")
        if urlsplit(request.url)[:2] != self._home[:2]:
            for name in SECRETS:
                request.headers.pop(name, None)
        kwargs["verify"] = trusted_certificates() or True  # requests knows but two of the variables
        kwargs["timeout"] = (self._timeouts.connect_s, min(self._timeouts.read_s, left_s))
        response = super().send(request, *args, **kwargs)
        response.raw.stream = self._bounded(response.raw.stream)
        return response

    def _wait_to_repeat(self, request: requests.PreparedRequest) -> None:
        if self._last is not None and request.body == self._last:
            time.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._last, self._pause_s = request.body, FIRST_PAUSE_S

    def _bounded(self, stream: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        """Return urllib3's `stream`, which spends the budget on what it yields, decoded."""

        def pieces(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            self.budget.values -= VALUES_OF_PAGE
            for piece in stream(*args, **kwargs):
                self.budget.spend(piece)
                yield piece

        return pieces


def read_pages(kind: type[Row], what: str, contents: Iterable[bytes]) -> MastTable:
    """Return all rows of an answer's pages; ArchiveError unless every announced row is there."""
    with _astroquery_errors(what):
        return _joined(kind, what, map(_page, contents))


def _page(content: bytes) -> AnswerPage:
    """Decode a page; NaN, Infinity and text that is not Unicode are no JSON, but may come."""
    try:
        return msgspec.json.decode(content, type=AnswerPage)
    except msgspec.DecodeError:
        values = json.loads(content.decode(errors="replace"), parse_constant=str)
        text = json.dumps(values, ensure_ascii=False).encode(errors="replace")
        return msgspec.json.decode(text, type=AnswerPage)


def _joined(kind: type[Row], what: str, pages: Iterable[AnswerPage]) -> MastTable:
    rows: list[Row] = []
    previous: list[Row] = []
    columns: frozenset[str] = frozenset()
    announced = None
    for number, page in enumerate(pages, start=1):
        if page.status != "COMPLETE":
            raise QueryRefusedError(
                f"MAST query for {what}: expected status COMPLETE, got {page.status!s:.40} "
                f"({page.msg!s:.400}); nothing was changed; run again later."
            )
        paging, page_rows = page.paging or {}, _rows(page, kind)
        if page_rows is None or paging.get("rows", len(page_rows)) != len(page_rows):
            expected = f"page {number} of {paging.get('rows')} rows"
            raise _incomplete(what, expected, len(page_rows or ()))
        if page_rows and page_rows == previous:
            raise _incomplete(what, f"a new page {number}", "the page before it again")
        announced, previous = paging.get("rowsFiltered", announced), page_rows
        columns = columns or _columns(page)
        rows += page_rows
    if announced is not None and announced != len(rows):
        raise _incomplete(what, f"{announced} rows", len(rows))
    return MastTable(rows, columns)


def _rows(page: AnswerPage, kind: type[Row]) -> list[Row] | None:
    """Return the rows of a page, empty ones for what is no row; None if its data are no list."""
    try:
        return msgspec.json.decode(page.data, type=GenericAlias(list, kind))
    except msgspec.DecodeError:
        pass
    try:
        rows = msgspec.json.decode(page.data, type=list[Any])
    except msgspec.DecodeError:
        return None
    return [msgspec.convert(row, kind) if type(row) is dict else kind() for row in rows]


def _columns(page: AnswerPage) -> frozenset[str]:
    """Return the columns of a page's first row."""
    first = msgspec.json.decode(page.data, type=list[msgspec.Raw])[:1]
    rows = map(msgspec.json.decode, first)
    return frozenset(name for row in rows if type(row) is dict for name in row)


def _incomplete(what: str, expected: object, found: object) -> ArchiveError:
    return ArchiveError(
        f"MAST query for {what}: expected {expected!s:.100}, got {found}; nothing was taken from "
        "this answer; run again later."
    )


@contextmanager
def _astroquery_errors(what: str) -> Iterator[None]:
    """Convert whatever astroquery raises to ArchiveError."""
    try:
        yield
    except ArchiveError:
        raise
    except Exception as err:
        raise ArchiveError(
            f"MAST query for {what}: {_message(err)}; nothing was changed; check archive.url in "
            "the config, the network and the token, and run again."
        ) from err


def _message(err: Exception) -> str:
    """Return host and message of an error of astroquery, or of requests, which wraps urllib3's."""
    inner = err.args[0] if err.args else None
    words = error_words(inner if isinstance(inner, HTTPError) else err)
    host = urlsplit(getattr(getattr(err, "request", None), "url", None) or "").netloc
    return f"{host}: " * bool(host) + (" ".join(words.split()) or type(err).__name__)


def _astroquery(url: str) -> Any:
    """Import and return astroquery.mast for one server.

    It keeps the server that was configured when it was first imported; a later setting changes
    that for some of its requests only.
    """
    if "astroquery.mast" not in sys.modules:
        with tempfile.TemporaryDirectory() as folder, _config_folder(folder):
            Path(folder, "astroquery.cfg").write_text(f'[mast]\nserver = "{url}"\n')
            import astroquery.mast
    import astroquery.mast
    from astroquery.mast.discovery_portal import PortalAPI

    if urlsplit(PortalAPI.MAST_REQUEST_URL)[:2] != urlsplit(url)[:2]:
        raise ArchiveError(
            f"astroquery.mast was imported in this process for {PortalAPI.MAST_REQUEST_URL}, and "
            f"cannot query {url} any more; use another process."
        )
    return astroquery.mast


@contextmanager
def _config_folder(folder: str) -> Iterator[None]:
    """Make astropy look for config files in `folder` only."""
    former = os.environ.get("ASTROPY_CONFIG_DIR")
    os.environ["ASTROPY_CONFIG_DIR"] = folder
    try:
        yield
    finally:
        if former is None:
            del os.environ["ASTROPY_CONFIG_DIR"]
        else:
            os.environ["ASTROPY_CONFIG_DIR"] = former
