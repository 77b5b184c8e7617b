"""MAST's Portal, asked through astroquery: whole tables, in bounded time, from one server."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from jwmirror.archive.rows import KeywordRow, MastTable, ObservationRow, ProductRow, Row
from jwmirror.core.errors import ArchiveError
from jwmirror.net.http import USER_AGENT, Timeouts, base_url, error_words, retry_policy

TIMEOUTS = Timeouts(connect_s=15, read_s=180)  # a query may take long to answer
TIMEOUT_S = 3600.0  # for all questions of one Portal
SECRETS = ("Cookie", "Authorization")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # before a question is repeated (EXECUTING)
KEYWORDS = "Mast.Jwst.Filtered."


class AnswerPage(msgspec.Struct):
    """One page of an answer; its data are read when the rest of it is as it should be."""

    status: Any = None
    msg: Any = None
    paging: Any = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class Portal:
    """The tables of one MAST server; each question gives all rows, or raises ArchiveError."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        timeouts: Timeouts = TIMEOUTS,
    ):
        self.url = base_url(url)
        mast = _astroquery(self.url)
        with _border("the session"):
            self._observations = mast.ObservationsClass()
            self._mast = mast.MastClass()
        adapter = BoundedAdapter(self.url, timeouts, time.monotonic() + timeout_s)
        for client in (self._observations, self._mast):
            session = client._session  # astroquery offers no other way to bound a request's time
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            session.headers["User-Agent"] = f"{USER_AGENT} {session.headers['User-Agent']}"
            if token:
                with _border("the log-in with the token"):
                    client.login(token=token)

    def observations(self, program: int) -> MastTable:
        """CAOM's rows of a program's observations."""
        spellings = list(dict.fromkeys((str(program), f"{program:05d}")))
        return _table(
            ObservationRow,
            f"observations of program {program}",
            lambda: self._observations.query_criteria_async(
                obs_collection="JWST", proposal_id=spellings
            ),
        )

    def products(self, obsids: Sequence[str]) -> MastTable:
        """CAOM's rows of the products of some observations; a product may come many times."""
        return _table(
            ProductRow,
            f"products of observations {obsids[0]}..{obsids[-1]}",
            lambda: self._observations.get_product_list_async(list(obsids)),
        )

    def keywords(
        self, table: str, program: int, columns: Sequence[str], observations: Sequence[int] = ()
    ) -> MastTable:
        """Rows of Mast.Jwst.Filtered.<table> of a program, with some columns at least.

        The program is asked for as text, and as a number where that finds nothing. Where a column
        is not known any more, all columns come. `observations` limit the rows to some.
        """
        spelled = [text for each in observations for text in (str(each), f"{each:03d}")]
        some = [{"paramName": "observtn", "values": spelled}] if spelled else []
        for values in ([str(program)], [{"min": program, "max": program}]):
            filters = [{"paramName": "program", "values": values}, *some]
            try:
                found = self._filtered(table, filters, ",".join(columns))
            except QueryRefusedError:
                found = self._filtered(table, filters, "*")
            if found.rows:
                break
        return found

    def _filtered(self, table: str, filters: list[dict[str, Any]], columns: str) -> MastTable:
        service, params = f"{KEYWORDS}{table}", {"columns": columns, "filters": filters}
        return _table(
            KeywordRow, service, lambda: self._mast.service_request_async(service, params)
        )


class QueryRefusedError(ArchiveError):
    """The server understood a question and answered ERROR."""


class BoundedAdapter(HTTPAdapter):
    """Requests within a deadline, retried within bounds, whose secrets stay with one server."""

    def __init__(self, url: str, timeouts: Timeouts, deadline: float):
        self._home, self._timeouts, self._deadline = urlsplit(url), timeouts, deadline
        self._last: bytes | str | None = None
        self._pause_s = FIRST_PAUSE_S
        super().__init__(max_retries=retry_policy(timeouts))

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request; one that only repeats the last question waits a little first."""
        if self._last is not None and request.body == self._last:
            time.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._last, self._pause_s = request.body, FIRST_PAUSE_S
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise requests.Timeout("the time for asking is over")
        if urlsplit(request.url)[:2] != self._home[:2]:
            for name in SECRETS:
                request.headers.pop(name, None)
        kwargs["timeout"] = (self._timeouts.connect_s, min(self._timeouts.read_s, left_s))
        return super().send(request, *args, **kwargs)


def _table(
    kind: type[Row], what: str, question: Callable[[], list[requests.Response]]
) -> MastTable:
    """All rows of an answer; ArchiveError unless every row that was announced came."""
    with _border(what):
        pages = [response.content for response in question()]
    return read_pages(kind, what, pages)


def read_pages(kind: type[Row], what: str, contents: Iterable[bytes]) -> MastTable:
    """All rows of an answer's pages, as sent; ArchiveError unless every announced row is there."""
    with _border(what):
        pages = [msgspec.json.decode(content, type=AnswerPage) for content in contents]
    rows: list[Row] = []
    former: list[Row] = []
    columns: frozenset[str] = frozenset()
    announced = None
    for number, page in enumerate(pages, start=1):
        if page.status != "COMPLETE":
            raise _refused(what, page)
        paging, part = page.paging or {}, _part(page, kind)
        if part is None or paging.get("rows", len(part)) != len(part):
            raise _short(what, f"page {number} of {paging.get('rows')} rows", len(part or ()))
        if part and part == former:
            raise _short(what, f"a new page {number}", "the page before it again")
        announced, former = paging.get("rowsFiltered", announced), part
        columns = columns or _columns(page)
        rows += part
    if announced is not None and announced != len(rows):
        raise _short(what, f"{announced} rows", len(rows))
    return MastTable(rows, columns)


def _part(page: AnswerPage, kind: type[Row]) -> list[Row] | None:
    """The rows of a page; None if that is not what it has."""
    try:
        return msgspec.json.decode(page.data, type=list[kind])
    except msgspec.ValidationError:
        return None


def _columns(page: AnswerPage) -> frozenset[str]:
    """The columns of a page's first row."""
    first = msgspec.json.decode(page.data, type=list[msgspec.Raw])[:1]
    return frozenset(name for row in first for name in msgspec.json.decode(row))


def _refused(what: str, page: AnswerPage) -> QueryRefusedError:
    return QueryRefusedError(
        f"MAST, asked for {what}: expected status COMPLETE, got {page.status} ({page.msg}); "
        "nothing was changed; run again later."
    )


def _short(what: str, expected: object, found: object) -> ArchiveError:
    return ArchiveError(
        f"MAST, asked for {what}: expected {expected}, got {found}; nothing was taken from this "
        "answer; run again later."
    )


@contextmanager
def _border(what: str) -> Iterator[None]:
    """Turn whatever astroquery raises into an ArchiveError."""
    try:
        yield
    except ArchiveError:
        raise
    except Exception as err:
        raise ArchiveError(
            f"MAST, asked for {what}: {_said(err)}; nothing was changed; check archive.url in the "
            "config, the network and the token, and run again."
        ) from err


def _said(err: Exception) -> str:
    """What an error of requests (which wraps urllib3's) or astroquery says, and of which host."""
    inner = err.args[0] if err.args else None
    words = error_words(inner if isinstance(inner, HTTPError) else err)
    asked = urlsplit(getattr(getattr(err, "request", None), "url", None) or "").netloc
    return f"{asked}: " * bool(asked) + (" ".join(words.split()) or type(err).__name__)


def _astroquery(url: str) -> Any:
    """astroquery.mast, which talks for ever to the server that it was first imported for."""
    if "astroquery.mast" not in sys.modules:
        with tempfile.TemporaryDirectory() as folder, _config_folder(folder):
            Path(folder, "astroquery.cfg").write_text(f'[mast]\nserver = "{url}"\n')
            import astroquery.mast
    import astroquery.mast
    from astroquery.mast.discovery_portal import PortalAPI

    if urlsplit(PortalAPI.MAST_REQUEST_URL)[:2] != urlsplit(url)[:2]:
        raise ArchiveError(
            f"astroquery.mast was imported in this process for {PortalAPI.MAST_REQUEST_URL}, and "
            f"cannot ask {url} any more; ask from a process of its own."
        )
    return astroquery.mast


@contextmanager
def _config_folder(folder: str) -> Iterator[None]:
    """Let astropy look for config files in `folder` only."""
    former = os.environ.get("ASTROPY_CONFIG_DIR")
    os.environ["ASTROPY_CONFIG_DIR"] = folder
    try:
        yield
    finally:
        if former is None:
            del os.environ["ASTROPY_CONFIG_DIR"]
        else:
            os.environ["ASTROPY_CONFIG_DIR"] = former
