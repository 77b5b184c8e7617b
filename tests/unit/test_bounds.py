"""Bounds on what comes in: sizes, times and the room that refused files take."""

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import OversizedError, RejectedError
from jwmirror.core.model import Failure
from jwmirror.net import quarantine, request
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient
from jwmirror.net.quarantine import move_to_quarantine
from jwmirror.net.request import DownloadRequest
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    body,
    endlessly,
    file_server,
    hasty_fetch,
    small_image,
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
