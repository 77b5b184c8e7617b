"""Bounds on the answers of MAST and CRDS: bytes, values, pages, compressed payloads, and time."""

import base64
import gzip
import itertools
import json
import multiprocessing
import re
import resource
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from jwmirror.archive.tables import portal, session
from jwmirror.archive.tables.answers import read_pages
from jwmirror.archive.tables.rows import ProductRow
from jwmirror.core.errors import ArchiveError, ReferencesError
from jwmirror.crds.client import CrdsClient, UnreachableError
from jwmirror.net.http import LARGEST_ANSWER
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    Reply,
    body,
    endlessly,
    file_server,
    send_for_ever,
    serve,
    trickle,
)

BLOCK = b"\0" * (1 << 18)


def answer(start: bytes, piece: bytes, times: int) -> Reply:
    """Send JSON in gzip: `start`, and `piece` many times; it is never complete."""
    return body(zipped(start, piece, times), Content_Encoding="gzip")


def zipped(start: bytes, piece: bytes, times: int) -> bytes:
    """Return a long text in gzip, in 101 members."""
    return gzip.compress(start) + 100 * gzip.compress(piece * (times // 100), 1)


def next_page() -> Reply:
    """Send one empty page after the other, of a thousand million."""
    numbers = itertools.count(1)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        paging = {"page": next(numbers), "pagesFiltered": 10**9, "rows": 0}
        page = {"status": "COMPLETE", "data": [], "paging": paging}
        body(json.dumps(page).encode())(handler)

    return reply


ROWS = b'{"status": "COMPLETE", "paging": {}, "data": ['
ANSWERS = {
    "bytes": lambda: answer(ROWS, b" " * 1000, 200_000),
    "records": lambda: answer(ROWS, b"{},", 4_000_000),
    "lists": lambda: answer(ROWS, b"[],", 20_000_000),
    "endless": lambda: endlessly(b" " * 100_000, Transfer_Encoding="chunked"),
    "a chunk without a size": lambda: (
        lambda handler: send_for_ever(
            handler, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1" * 100_000
        )
    ),
    "an endless redirect": lambda: endlessly(BLOCK, 307, Location="/api/v0/invoke"),
    "pages": next_page,
    "one byte at a time": lambda: trickle("body"),
    "nested lists": lambda: body(ROWS + b"[" * 200_000),
}


def query_products(url: str) -> tuple[str, float]:
    """Ask an archive for products; return the error and the growth of memory in MB."""
    session.LARGEST_ANSWER, session.VALUES_OF_PAGE = 1 << 25, 1_000_000
    client = portal.Portal(url, None, 60, HASTY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        client.products(["1"])
    except ArchiveError as err:
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return str(err), (after - before) / 1024
    return "", 0.0


@pytest.fixture(scope="module")
def mast() -> Iterator[tuple[FileServer, ProcessPoolExecutor]]:
    """A server, and a process whose astroquery queries it: each process keeps its first server."""
    spawn = multiprocessing.get_context("spawn")
    with serve() as server, ProcessPoolExecutor(1, spawn) as process:
        yield server, process


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_of_mast_is_bounded(case, mast):
    """In bytes on the wire and decoded, in values, in pages and in time."""
    server, process = mast
    server.put("columnsconfig", body(b"{}"))
    server.put("invoke", ANSWERS[case]())

    message, grown_mb = process.submit(query_products, server.url).result(timeout=120)

    why = r"too large|more than 33554432 bytes|redirects|\d bytes in|recursion|chunk size"
    assert re.search(f"MAST query for products of observations 1: .*({why})", message)
    assert grown_mb < 200


@pytest.mark.parametrize(
    "page",
    [
        {"status": "ERROR", "msg": "x" * 10**7},
        {"status": "y" * 10**7},
        {"status": "COMPLETE", "data": [], "paging": {"rows": "z" * 10**7}},
        {"status": "COMPLETE", "data": [], "paging": {"rowsFiltered": "z" * 10**7}},
    ],
)
def test_a_message_repeats_little_of_an_answer(page):
    """It goes to the log, to the report and to the terminal."""
    with pytest.raises(ArchiveError) as raised:
        read_pages(ProductRow, "x", [json.dumps(page).encode()])

    assert len(str(raised.value)) < 1000


def test_a_message_of_crds_is_shortened(server):
    """As those of MAST."""
    server.put("", body(json.dumps({"result": 1, "error": {"message": "x" * 10**7}}).encode()))

    with pytest.raises(ReferencesError) as raised:
        CrdsClient(server.url, HASTY).call("get_server_info")

    assert len(str(raised.value)) < 1000


BOMBS = {
    "bytes": (b'"', b" " * 1000, 800_000),
    "records": (b"[", b"{},", 1_000_000),
    "lists": (b"[", b"[],", 10_000_000),
    "nested lists": (b"[" * 200_000, b"", 1),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_compressed_payload_of_crds_is_bounded(case, server):
    """408 kB of an answer became 802 MB in memory."""
    payload = base64.b64encode(zipped(*BOMBS[case])).decode()
    result = {"crds_encoded": "1.0", "crds_payload": payload}
    server.put("", body(json.dumps({"result": result, "error": None}).encode()))
    client = CrdsClient(server.url, HASTY)

    tracemalloc.start()
    with pytest.raises(ReferencesError, match=r"get_server_info: (the answer is too large|exp)"):
        client.call("get_server_info")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2.5 * LARGEST_ANSWER


@pytest.mark.parametrize("payload", ["no base64!", "", base64.b64encode(b"no gzip").decode(), 5])
def test_a_payload_of_crds_that_cannot_be_read_is_an_error(payload, server):
    """As any other answer that is none."""
    result = {"crds_payload": payload}
    server.put("", body(json.dumps({"result": result, "error": None}).encode()))

    with pytest.raises(ReferencesError, match="expected an answer in JSON-RPC, got status 200"):
        CrdsClient(server.url, HASTY).call("get_server_info")


@pytest.mark.parametrize(
    "reply", [endlessly(BLOCK), endlessly(BLOCK, Transfer_Encoding="chunked"), trickle("body")]
)
def test_an_endless_answer_of_crds_ends(reply, server, monkeypatch):
    """The server counts as unreachable: what was verified before is used."""
    server.put("", reply)
    client = CrdsClient(server.url, HASTY)
    pool = client.http._pool
    monkeypatch.setattr(client.http, "_pool", lambda url, largest: pool(url, 1_000_000))

    with pytest.raises(UnreachableError, match=r"more than 1000000 bytes|bytes in \d s"):
        client.call("get_server_info")
