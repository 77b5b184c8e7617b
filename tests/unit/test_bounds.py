"""Bounds on what comes in: sizes, times and the room that refused files take."""

import base64
import gzip
import hashlib
import itertools
import json
import multiprocessing
import re
import resource
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from urllib3.exceptions import HTTPError

from jwmirror.archive import portal
from jwmirror.core.errors import (
    ArchiveError,
    OversizedError,
    ReferencesError,
    RejectedError,
    StoreError,
)
from jwmirror.core.model import Failure
from jwmirror.crds.client import CrdsClient, UnreachableError
from jwmirror.net import bounds, quarantine, request
from jwmirror.net.bounds import BoundsError
from jwmirror.net.download import download
from jwmirror.net.http import LARGEST_ANSWER, HttpClient
from jwmirror.net.quarantine import move_to_quarantine
from jwmirror.net.request import DownloadRequest
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    Reply,
    body,
    endless_trailers,
    endlessly,
    file_server,
    hasty_fetch,
    send_for_ever,
    serve,
    small_image,
    trickle,
)
from tests.setup.records import ASN, RATE, product

MEMBERS = json.dumps({"asn_type": "image3", "products": []}).encode()
BLOCK = b"\0" * (1 << 18)


class Disk:
    """Counts the bytes that a download has on disk at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def add(self, count: int) -> None:
        """Count bytes, or bytes that were deleted."""
        self.now += count
        self.most = max(self.most, self.now)


# ---- bodies ----------------------------------------------------------------------------------

TOO_LARGE = {
    "with its length": lambda image: body(image + BLOCK),
    "without a length": lambda image: body(image + BLOCK, Content_Length=""),
    "one byte too many": lambda image: body(image + b"\0", Content_Length=""),
    "endless": lambda image: endlessly(BLOCK),
    "endless and chunked": lambda image: endlessly(BLOCK, Transfer_Encoding="chunked"),
    "endless and gzipped": lambda image: endlessly(
        gzip.compress(BLOCK), Content_Encoding="gzip", Transfer_Encoding="chunked"
    ),
    "length of 5000 digits": lambda image: endlessly(BLOCK, Content_Length="9" * 5000),
    "length of an exabyte": lambda image: endlessly(BLOCK, Content_Length="9" * 18),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_a_body_is_stopped_at_its_listed_size(case, server, fetch, image, tmp_path):
    """No byte beyond the listed size is written, nothing is kept, and the others arrive."""
    server.put(RATE, TOO_LARGE[case](image))
    server.put(ASN, body(MEMBERS))

    outcomes = fetch(product(RATE, image), product(ASN))

    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert failure.name == RATE and f"expected at most {len(image)}, got" in failure.message
    assert "nothing of it was kept" in failure.message
    assert len(outcomes) == 2
    assert len(list((tmp_path / "incoming").iterdir())) == 1  # the association
    assert not (tmp_path / "quarantine").exists()


def test_a_body_that_is_too_large_once_is_fetched_again(server, fetch, image):
    """As any other wrong body."""
    server.put(RATE, endlessly(BLOCK), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


def test_the_rest_of_a_resumed_file_is_bounded(server, tmp_path):
    """A server that goes on after the end of a range is stopped at the listed size."""
    data = bytes(range(256)) * 4000
    etag, rest = '"v1"', f"bytes 500000-{len(data) - 1}/{len(data)}"
    cut = body(data[:500_000], Content_Length=str(len(data)), ETag=etag)
    more = endlessly(BLOCK, 206, ETag=etag, Content_Range=rest)
    server.put(RATE, cut, more, body(data, ETag=etag))
    disk, sha256 = Disk(), hashlib.sha256(data).hexdigest()
    facts = {"size": len(data), "checksum": sha256, "algorithm": "sha256", "must_read": False}
    wanted = DownloadRequest(filename=RATE, url=f"{server.url}/{RATE}", key="k", **facts)

    client = HttpClient(1, replace(HASTY, keep_from=1))
    arrived = download(client, wanted, tmp_path, on_bytes=disk.add)

    assert arrived.path.read_bytes() == data
    assert "Range" in server.requests[1][1] and "Range" not in server.requests[2][1]
    assert disk.most == len(data)


# ---- sizes that MAST does not know -----------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, len(MEMBERS) - 1, 10**12])
def test_a_wrong_size_without_checksum_does_not_refuse_a_whole_file(size, server, fetch, caplog):
    """MAST's size may be wrong where it has no checksum; the Content-Length shows what is whole."""
    server.put(ASN, body(MEMBERS))

    (arrived,) = fetch(product(ASN, size=size))

    assert arrived.path.read_bytes() == MEMBERS
    assert f"MAST lists {size} bytes, and sent {len(MEMBERS)}" in caplog.text


@pytest.mark.parametrize("size", [0, len(MEMBERS) - 1])
def test_without_checksum_and_length_the_listed_size_counts(size, server, fetch):
    """Nothing else shows where the file ends."""
    server.put(ASN, body(MEMBERS, Content_Length=""))

    (outcome,) = fetch(product(ASN, size=size))

    assert f"expected at most {size}, got" in outcome.message


@pytest.mark.parametrize("listed", [None, 5])
@pytest.mark.parametrize("headers", [{}, {"Content_Length": "9" * 15}])
def test_a_file_of_unknown_size_leaves_half_of_the_free_disk(
    listed, headers, server, fetch, monkeypatch
):
    """Whatever length the server announces, or none."""
    free = {"total": 10**7, "used": 0, "free": 10**6}
    monkeypatch.setattr(request.shutil, "disk_usage", lambda path: type("Usage", (), free))
    server.put(ASN, endlessly(BLOCK, **headers))

    (outcome,) = fetch(product(ASN, size=listed))

    limit = listed if listed and not headers else 500_000
    assert f"expected at most {limit}, got" in outcome.message


def test_a_file_that_cannot_fit_is_not_begun(server, fetch):
    """A listed size of a petabyte is no reason to fill the disk."""
    server.put(RATE, endlessly(BLOCK))

    with pytest.raises(StoreError, match="No space left on device"):
        fetch(product(RATE, b"x", size=10**15))


def test_a_file_of_unknown_size_has_a_largest_size(server, fetch, monkeypatch):
    """However large the disk is."""
    monkeypatch.setattr(request, "LARGEST_UNLISTED", 300_000)
    server.put(RATE, endlessly(BLOCK))

    (outcome,) = fetch(product(RATE))

    assert "expected at most 300000, got" in outcome.message


def test_the_size_of_a_reference_counts_without_a_checksum(server, tmp_path):
    """CRDS lists the size of each file; some have no sha1."""
    server.put("a.asdf", body(b"twelve bytes"))
    wanted = DownloadRequest(filename="a.asdf", url=f"{server.url}/a.asdf", size=11)

    with pytest.raises(OversizedError, match="expected at most 11, got 12"):
        download(HttpClient(1, HASTY), wanted, tmp_path)

    assert list(tmp_path.iterdir()) == []


# ---- quarantine ------------------------------------------------------------------------------


def refuse(folder: Path, number: int, size: int = 10) -> None:
    """Move a file of some bytes to quarantine."""
    path = folder.parent / "file"
    path.write_bytes(bytes(size))
    error = RejectedError(f"{number}.fits", "size", 1, size)
    move_to_quarantine(path, "0" * 64, error, folder)


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the files in quarantine, each of which has its reason."""
    files = sorted(int(path.name.partition(".")[0]) for path in folder.glob("*.rejected"))
    reasons = sorted(int(path.name.partition(".")[0]) for path in folder.glob("*.rejected.reason"))
    assert files == reasons
    return files


def test_quarantine_keeps_the_newest_files(tmp_path, monkeypatch):
    """The oldest go first, each with its reason, when there are too many."""
    monkeypatch.setattr(quarantine, "MOST_FILES", 3)

    for number in range(5):
        refuse(tmp_path / "quarantine", number)

    assert numbers(tmp_path / "quarantine") == [2, 3, 4]


def test_quarantine_has_a_largest_size(tmp_path, monkeypatch):
    """The newest file stays even if it is larger than that."""
    monkeypatch.setattr(quarantine, "MOST_BYTES", 25)

    for number in range(4):
        refuse(tmp_path / "quarantine", number)
    assert numbers(tmp_path / "quarantine") == [2, 3]

    refuse(tmp_path / "quarantine", 4, size=30)
    assert numbers(tmp_path / "quarantine") == [4]


def test_what_repair_moved_to_quarantine_stays(tmp_path, monkeypatch):
    """Damaged files of the mirror may exist nowhere else."""
    monkeypatch.setattr(quarantine, "MOST_FILES", 1)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "abc.damaged").write_bytes(b"only here")

    for number in range(3):
        refuse(tmp_path / "quarantine", number)

    assert (tmp_path / "quarantine" / "abc.damaged").read_bytes() == b"only here"


# ---- time ------------------------------------------------------------------------------------


class Clock:
    """A socket's file whose bytes come at given times."""

    def __init__(self, monkeypatch, *pieces: tuple[float, int]):
        self.pieces, self.now = iter(pieces), 0.0
        monkeypatch.setattr(bounds.time, "monotonic", lambda: self.now)

    def readinto(self, buffer: bytearray) -> int:
        """Let the next bytes come."""
        self.now, size = next(self.pieces, (self.now, 0))
        return size

    def close(self) -> None:
        """Close nothing."""


def read_all(clock: Clock) -> int:
    """Read a response to its end, whose window is 10 s; return its bytes."""
    file, size = bounds._BoundedFile(clock, 10.0), 0
    file.limit = 1 << 40
    while count := file.readinto(bytearray()):
        size += count
    return size


@pytest.mark.parametrize(
    ("pieces", "is_slow"),
    [
        ([(99.0, 1)], False),  # the wait for an answer has a timeout
        ([(0.0, 1), (10.0, 1)], False),  # the window has not passed yet
        ([(0.0, 1), (11.0, 11 * 1024 - 1)], False),
        ([(0.0, 1), (11.0, 11 * 1024 - 2)], True),
        ([(0.0, 99_999), (11.0, 1), (22.0, 11 * 1024)], False),
        ([(0.0, 99_999), (11.0, 1), (22.0, 11 * 1024 - 1)], True),  # the first does not help
        ([(0.0, 1), *((5.0 * n, 1) for n in range(1, 4))], True),
    ],
)
def test_the_mean_speed_of_each_window_counts(monkeypatch, pieces, is_slow):
    """1,024 bytes a second are enough."""
    clock = Clock(monkeypatch, *pieces)

    if is_slow:
        with pytest.raises(BoundsError, match=r"\d+ bytes in \d+ s"):
            read_all(clock)
    else:
        assert read_all(clock) == sum(size for _, size in pieces)


@pytest.mark.parametrize(
    ("rate", "hours", "is_slow"), [(2000, 0.9, False), (2000, 2, True), (9000, 100, False)]
)
def test_the_time_of_a_whole_body_depends_on_its_size(monkeypatch, rate, hours, is_slow):
    """After an hour, 8 kB a second on the mean: a slow link gets large files, too."""
    times = [(5.0 * number, 5 * rate) for number in range(int(hours * 720))]

    if is_slow:
        with pytest.raises(BoundsError, match=r"\d+ bytes in \d{4} s"):
            read_all(Clock(monkeypatch, *times))
    else:
        assert read_all(Clock(monkeypatch, *times)) == len(times) * 5 * rate


@pytest.mark.parametrize("where", ["head", "body", "page"])
def test_a_server_that_trickles_ends_no_run(where, server, fetch, image):
    """Bytes that come one by one, in the head, in a file or in an error page."""
    server.put(RATE, trickle(where))
    server.put(ASN, body(MEMBERS))

    outcomes = fetch(product(RATE, image), product(ASN))

    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert re.search(r"\d+ bytes in \d s" if where != "page" else "got 404", failure.message)
    assert len(outcomes) == 2


@pytest.mark.parametrize("status", [302, 404, 503])
@pytest.mark.parametrize("chunks", [{}, {"Transfer_Encoding": "chunked"}])
def test_an_endless_page_that_is_not_wanted_ends(status, chunks, server, fetch, image):
    """Of a redirect, and of an error that is asked for again."""
    server.put(RATE, endlessly(BLOCK, status, Location=f"/{RATE}", **chunks), body(image))

    (outcome,) = fetch(product(RATE, image))

    assert isinstance(outcome, Failure) == (status == 404)


def test_the_framing_of_chunks_is_bounded(server, monkeypatch):
    """Trailers are no part of a body, and may be endless, too."""
    server.put(RATE, endless_trailers)
    client, received = HttpClient(1, HASTY), []
    monkeypatch.setattr(client, "_pool", partial(client._pool, largest=1_000_000))

    with pytest.raises(HTTPError, match="more than 1000000 bytes"):
        client.receive(client.open(f"{server.url}/{RATE}"), received.append)

    assert received == [b"x"]


@pytest.mark.parametrize("head", [b"HTTP/1.1 100 Continue\r\n\r\n" * 999, b"a" * 9999])
def test_a_head_ends(head, server):
    """However many interim answers or headers the server sends."""
    server.put(RATE, lambda handler: send_for_ever(handler, head[:25], head))

    with pytest.raises(HTTPError, match=r"more than (1048576|65536) bytes"):
        HttpClient(1, replace(HASTY, attempts=1)).open(f"{server.url}/{RATE}")


# ---- answers in JSON -------------------------------------------------------------------------


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
    portal.LARGEST_ANSWER, portal.VALUES_OF_PAGE = 1 << 25, 1_000_000
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
    assert re.search(f"MAST query for products of observations 1..1: .*({why})", message)
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
        portal.read_pages(portal.ProductRow, "x", [json.dumps(page).encode()])

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
