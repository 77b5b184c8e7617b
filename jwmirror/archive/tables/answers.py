"""Answers of MAST's Portal: complete tables of their pages, or an error that says what is wrong."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import GenericAlias
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from urllib3.exceptions import HTTPError

from jwmirror.archive.tables.reader import MastTable, Row
from jwmirror.core.errors import ArchiveError, MaintenanceError, as_typed
from jwmirror.net.http import error_words

LONGEST_ROW = 100_000  # bytes in which the first row is looked for, before all are parsed
PAGE_ROWS = 50_000  # the most that MAST sends in a page


class AnswerPage(msgspec.Struct):
    """One page of an answer; its data are decoded only if the status and paging are as expected."""

    status: Any = None
    msg: Any = None
    paging: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class CountRow(msgspec.Struct):
    """The row of an answer to COUNT_BIG(*)."""

    Column1: Any = None


class QueryRefusedError(ArchiveError):
    """The server answered a query with status ERROR, or with an HTTP status of an error."""


class RowCountError(ArchiveError):
    """An answer has another number of rows than it announces, or exactly a page of them."""

    def __init__(self, message: str, table: MastTable):
        super().__init__(message)
        self.table = table


def read_pages(kind: type[Row], what: str, contents: Iterable[bytes]) -> MastTable:
    """Return all rows of an answer's pages; ArchiveError unless every announced row is there."""
    with query_errors(what):
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
    announced, size = None, PAGE_ROWS
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
        columns, size = columns or _columns(page), _page_size(paging)
        rows += page_rows
    table = MastTable(rows, columns)
    if announced is not None and announced != len(rows):
        raise RowCountError(_incomplete_words(what, f"{announced} rows", len(rows)), table)
    if len(rows) == size:  # with more, the answer has shown that it has more pages than one
        found = f"{len(rows)}, one full page, so that rows may have been cut off"
        raise RowCountError(_incomplete_words(what, "all rows", found), table)
    return table


def _page_size(paging: dict[str, Any]) -> int:
    """Return how many rows the server sends in a page at most."""
    size = paging.get("pageSize")
    return min(size, PAGE_ROWS) if type(size) is int and size > 0 else PAGE_ROWS


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
    text = bytes(memoryview(page.data)[:LONGEST_ROW]).decode(errors="replace")
    try:
        row, _ = json.JSONDecoder().raw_decode(text.partition("[")[2].lstrip())
    except ValueError:  # no row, or a longer one
        row = next(iter(msgspec.json.decode(page.data, type=list[Any])), None)
    return frozenset(row if type(row) is dict else ())


def _incomplete(what: str, expected: object, found: object) -> ArchiveError:
    return ArchiveError(_incomplete_words(what, expected, found))


def _incomplete_words(what: str, expected: object, found: object) -> str:
    return (
        f"MAST query for {what}: expected {expected!s:.100}, got {found}; nothing was taken from "
        "this answer; run again later."
    )


@contextmanager
def query_errors(what: str) -> Iterator[None]:
    """Convert whatever astroquery raises to ArchiveError."""
    try:
        yield
    except MaintenanceError as err:
        where = (err.server, err.host, err.status, err.title)
        raise MaintenanceError(f"MAST query for {what}", *where) from err
    except ArchiveError:
        raise
    except json.JSONDecodeError as err:
        raise _incomplete(what, "JSON", "text that is none, or that was cut") from err
    except Exception as err:
        kind = QueryRefusedError if isinstance(err, requests.HTTPError) else ArchiveError
        raise kind(
            f"MAST query for {what}: {_message(err)}; nothing was changed; check the address "
            "(archive.url in the config), the network and the token, which "
            f"{as_typed('doctor')} tries, and run again."
        ) from err


def _message(err: Exception) -> str:
    """Return host and message of an error of astroquery, or of requests, which wraps urllib3's."""
    inner = err.args[0] if err.args else None
    words = error_words(inner if isinstance(inner, HTTPError) else err)
    host = urlsplit(getattr(getattr(err, "request", None), "url", None) or "").netloc
    return f"{host}: " * bool(host) + (" ".join(words.split()) or type(err).__name__)
