"""Bounds on bodies: their sizes and times, and those of pages that nobody wants."""

import gzip
import hashlib
import json
import re
from dataclasses import replace
from functools import partial

import pytest
from urllib3.exceptions import HTTPError

from jwmirror.archive.transfer import Downloaded
from jwmirror.core.errors import (
    OversizedError,
    StoreError,
)
from jwmirror.core.model import Failure
from jwmirror.net import bounds, request
from jwmirror.net.bounds import BoundsError
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient
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

POOL = "jw01345_20260101t000000_pool.csv"
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
    "without a length": lambda image: body(image + BLOCK, Content_Length=""),
    "one byte too many": lambda image: body(image + b"\0", Content_Length=""),
    "endless": lambda image: endlessly(BLOCK),
    "endless and chunked": lambda image: endlessly(BLOCK, Transfer_Encoding="chunked"),
    "endless and gzipped": lambda image: endlessly(
        gzip.compress(BLOCK), Content_Encoding="gzip", Transfer_Encoding="chunked"
    ),
    "length of 5000 digits": lambda image: endlessly(BLOCK, Content_Length="9" * 5000),
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


@pytest.mark.parametrize("size", [0, len(MEMBERS) - 1, 10**9])
def test_the_checksum_decides_whatever_size_is_listed(size, server, fetch, caplog):
    """The keyword table's size may be wrong, too; other bytes are refused by their checksum."""
    server.put(ASN, body(MEMBERS))
    server.put(RATE, body(MEMBERS))

    arrived, refused = fetch(product(ASN, MEMBERS, size=size), product(RATE, b"other", size=size))

    assert arrived.path.read_bytes() == MEMBERS
    assert f"MAST lists {size} bytes, and sent {len(MEMBERS)}" in caplog.text
    assert f"expected {size} (listed by MAST), got {len(MEMBERS)}" in refused.message


def test_a_length_beyond_the_free_disk_ends_a_download_with_a_checksum(server, fetch, image):
    """Before its first byte."""
    server.put(RATE, endlessly(BLOCK, Content_Length="9" * 18))

    (failure,) = fetch(product(RATE, image))

    assert "size in bytes (Content-Length)" in failure.message
    assert "nothing of it was kept" in failure.message


@pytest.mark.parametrize("size", [0, len(MEMBERS) - 1, 10**9])
def test_without_checksum_and_length_a_file_that_shows_its_end_is_whole(size, server, fetch):
    """JSON that was cut cannot be read, whatever size MAST lists."""
    server.put(ASN, body(MEMBERS, Content_Length=""))

    (arrived,) = fetch(product(ASN, size=size))

    assert arrived.path.read_bytes() == MEMBERS


@pytest.mark.parametrize("size", [0, len(MEMBERS) - 1, len(MEMBERS) + 1])
def test_without_checksum_and_length_the_listed_size_counts(size, server, fetch):
    """Nothing else shows where a table ends."""
    server.put(POOL, body(MEMBERS, Content_Length=""))

    (outcome,) = fetch(product(POOL, size=size))

    assert re.search(rf"expected (at most )?{size}\b.*, got", outcome.message)


@pytest.mark.parametrize(("off", "is_taken"), [(-2880, True), (0, True), (2880, False)])
def test_a_fits_file_of_unknown_length_is_not_smaller_than_listed(
    off, is_taken, server, fetch, image
):
    """It could be cut between two extensions."""
    server.put(RATE, body(image, Content_Length=""))

    (outcome,) = fetch(product(RATE, size=len(image) + off))

    assert isinstance(outcome, Downloaded) == is_taken


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

    assert "expected at most 500000, got" in outcome.message


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
