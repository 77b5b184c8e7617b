"""Queries to MAST's Portal through astroquery: complete tables in bounded time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import requests

from jwmirror.archive.tables.answers import (
    PAGE_ROWS,
    CountRow,
    QueryRefusedError,
    RowCountError,
    query_errors,
    read_pages,
)
from jwmirror.archive.tables.login import COOKIE
from jwmirror.archive.tables.reader import MastTable, Row
from jwmirror.archive.tables.rows import KeywordRow, ObservationRow, ProductRow
from jwmirror.archive.tables.session import BoundedAdapter, import_astroquery
from jwmirror.core.errors import ArchiveError
from jwmirror.net.http import REDIRECTS, USER_AGENT, Timeouts, base_url, check_token_url

QUERY_TIMEOUTS = Timeouts(connect_s=15, read_s=180)  # queries may take long
TIMEOUT_S = 900.0  # for one query, with all its pages
MOST_REFUSALS = 2  # statuses of an error for a query that names columns; then all are requested
OBSERVATIONS, PRODUCTS = "Mast.Caom.Filtered", "Mast.Caom.Products"
NEAR = "Mast.Caom.Filtered.Position"  # observations whose footprint a circle touches
NAMES = "Mast.Name.Lookup"
KEYWORDS = "Mast.Jwst.Filtered."

Filter = dict[str, Any]  # as the Portal takes it: {"paramName": ..., "values": [...]}


def filter_of(column: str, values: Sequence[object]) -> Filter:
    """Return the filter for rows in which a column has one of some values."""
    return {"paramName": column, "values": list(values)}


class Portal:
    """The tables of one MAST server, for one thread; a query returns all rows, or ArchiveError.

    A `token` is shown as it is: `accepted_token` checks it before.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float, timeouts: Timeouts):
        self.url = base_url(url)
        if token:
            check_token_url(self.url)
        mast = import_astroquery(self.url)
        with query_errors("the session"):
            self._observations = mast.ObservationsClass()
            self._mast = mast.MastClass()
        self._adapter = BoundedAdapter(self.url, timeouts, timeout_s)
        self._attempts = timeouts.attempts
        self._sessions = [client._session for client in (self._observations, self._mast)]
        for session in self._sessions:  # astroquery offers no other way to bound a request's time
            session.mount("http://", self._adapter)
            session.mount("https://", self._adapter)
            session.max_redirects = REDIRECTS
            session.hooks["response"].clear()  # which log headers, and so the token, at level DEBUG
            session.headers["User-Agent"] = f"{USER_AGENT} {session.headers['User-Agent']}"
            if token:  # astroquery's log-in would ask for its owner once more
                session.cookies[COOKIE] = token

    @property
    def traffic(self) -> tuple[int, int]:
        """The requests so far, and the bytes of their answers."""
        return self._adapter.requests, self._adapter.received

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()

    def observations(self, program: int) -> MastTable:
        """Return CAOM's rows of a program's observations."""
        spellings = list(dict.fromkeys((str(program), f"{program:05d}")))
        criteria = {"obs_collection": ["JWST"], "proposal_id": spellings}
        query = partial(self._observations.query_criteria_async, **criteria, pagesize=PAGE_ROWS)
        return self._counted(
            OBSERVATIONS,
            {"filters": [filter_of(name, values) for name, values in criteria.items()]},
            lambda: self._table(ObservationRow, f"observations of program {program}", query),
        )

    def products(self, obsids: Sequence[str]) -> MastTable:
        """Return CAOM's rows of the products of some observations, some products many times.

        A query for several is sent once: larger ones fail always, and smaller ones may not.
        """
        more = f" to {obsids[-1]} ({len(obsids)})" if len(obsids) > 1 else ""
        attempts = self._attempts if len(obsids) == 1 else 1
        what = f"products of observations {obsids[0]}{more}"
        return self._service(ProductRow, what, PRODUCTS, {"obsid": ",".join(obsids)}, attempts)

    def keywords(
        self, table: str, program: int, columns: Sequence[str], observations: Sequence[int] = ()
    ) -> MastTable:
        """Return rows of Mast.Jwst.Filtered.<table> of a program, with these columns at least.

        The program is queried as text, and as a number if that finds nothing: both spellings have
        been seen in MAST's tables. All columns are requested if MAST refuses one of `columns`.
        """
        spellings = [text for number in observations for text in (str(number), f"{number:03d}")]
        limit = [filter_of("observtn", spellings)] if spellings else []
        service = f"{KEYWORDS}{table}"
        by_text = filter_of("program", [str(program)])
        rows = self.filtered(KeywordRow, service, [by_text, *limit], columns)
        if rows.rows:
            return rows
        by_number = filter_of("program", [{"min": program, "max": program}])
        return self.filtered(KeywordRow, service, [by_number, *limit], columns)

    def lookup(self, name: str) -> bytes:
        """Return MAST's answer to the name of a target, as JSON.

        astroquery's own `resolve_object` asks another host, by http and without any bound.
        """
        self._adapter.begin()
        self._mast._portal_api_connection._column_configs[NAMES] = {}  # else it asks for columns
        params = {"input": name, "format": "json"}
        with query_errors(f"the position of {name!r}"):
            (answer,) = self._mast.service_request_async(NAMES, params)
            return bytes(answer.content)

    def filtered(
        self,
        kind: type[Row],
        service: str,
        filters: Sequence[Filter],
        columns: Sequence[str],
        position: str = "",
    ) -> MastTable:
        """Return rows with some columns, or with all: MAST refuses what it does not know.

        `position`: right ascension, declination and radius in degrees, with commas between.
        """

        def query(some: str, refusals: int | None = None) -> MastTable:
            params: Filter = {"columns": some, "filters": filters}
            params |= {"position": position} if position else {}
            ask = partial(self._service, kind, service, service, params, refusals=refusals)
            return self._counted(service, params, ask)

        try:
            return query(",".join(columns), refusals=MOST_REFUSALS)
        except QueryRefusedError:
            return query("*")

    def _counted(self, service: str, params: Filter, query: Callable[[], MastTable]) -> MastTable:
        """Return the rows; where their number is in question, MAST's own count has to agree."""
        try:
            return query()
        except RowCountError as error:
            if self._count(service, params) != len(error.table.rows):
                raise ArchiveError(str(error)) from None  # which needs no rows
            return error.table

    def _count(self, service: str, params: Filter) -> int | None:
        """Return the number of rows as MAST counts them; None if it does not."""
        what, params = f"rows of {service}", {**params, "columns": "COUNT_BIG(*)"}
        try:
            (row,) = self._service(CountRow, what, service, params).rows
        except (ArchiveError, ValueError):
            return None
        return row.Column1 if type(row.Column1) is int else None

    def _service(
        self,
        kind: type[Row],
        what: str,
        service: str,
        params: Filter,
        attempts: int | None = None,
        refusals: int | None = None,
    ) -> MastTable:
        """Return all rows of a service of the Portal.

        astroquery's own functions for lists of products will not return all pages (0.4.12).
        """
        query = partial(self._mast.service_request_async, service, params, pagesize=PAGE_ROWS)
        return self._table(kind, what, query, attempts, refusals)

    def _table(
        self,
        kind: type[Row],
        what: str,
        query: Callable[[], list[requests.Response]],
        attempts: int | None = None,
        refusals: int | None = None,
    ) -> MastTable:
        """Return all rows of an answer; ArchiveError unless every announced row is there."""
        self._adapter.begin(attempts, refusals)
        with query_errors(what):
            pages = [response.content for response in query()]
        return read_pages(kind, what, pages)
