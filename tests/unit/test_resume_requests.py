"""The requests by which a download is resumed."""

from dataclasses import replace

import pytest

from jwmirror.core.errors import ArchiveError
from jwmirror.net import request as requests
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient, Timeouts
from jwmirror.net.request import DownloadRequest, DownloadState
from jwmirror.net.resume_record import (
    ResumeRecord,
    read_record,
    record_path,
    resume_key,
)
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    body,
    file_server,
    small_image,
)
from tests.setup.records import RATE, product
from tests.unit.test_resume_records import EAGER, cut

# ---- requests --------------------------------------------------------------------------------


def test_a_request_for_a_product_has_what_mast_lists_of_it():
    """Field by field."""
    item = product(RATE, b"data", exclusive=True, release_date="2030-01-01")

    request = DownloadRequest.of(item, "http://x/a")

    assert (request.filename, request.url) == (RATE, "http://x/a")
    assert (request.size, request.checksum, request.algorithm) == (4, item.checksum, "md5")
    assert (request.is_exclusive, request.until) == (True, "exclusive access until 2030-01-01")
    assert (request.key, request.version) == (resume_key(item), item.fingerprint)
    assert request.must_read
    assert not DownloadRequest(filename="a", url="u").is_exclusive


class Answer:
    """A response with these headers."""

    def __init__(self, headers: dict[str, str]):
        self.headers = headers


WHOLE = {"Content-Length": "10", "ETag": '"e"'}


@pytest.mark.parametrize(
    ("headers", "changes", "keep_from", "is_kept"),
    [
        (WHOLE, {}, 10, True),
        (WHOLE, {}, 11, False),
        (WHOLE, {"size": None}, 1, True),
        (WHOLE, {"size": 11}, 1, False),
        (WHOLE, {"key": None}, 1, False),
        (WHOLE | {"ETag": 'W/"e"'}, {}, 1, False),
        ({"Content-Length": "10"}, {}, 1, False),
        ({"ETag": '"e"'}, {"size": None}, 1, False),
        (WHOLE | {"Content-Length": "\u00b2"}, {"size": None}, 0, True),
        (WHOLE | {"Content-Length": "ten"}, {"size": 10}, 0, False),
    ],
)
def test_a_record_is_written_where_a_file_can_be_resumed(
    tmp_path, headers, changes, keep_from, is_kept
):
    """Large enough, of the listed size, under a strong ETag; a length that is no number is none."""
    part = tmp_path / "a.part"
    request = DownloadRequest(filename="a", url="u", size=10, key="a", version="v")
    client = HttpClient(1, Timeouts(keep_from=keep_from))
    state = DownloadState(
        request=replace(request, **changes), path=part, on_bytes=print, halt=client.halt
    )

    requests._write_record(client, state, Answer(headers))

    assert record_path(part).exists() == is_kept
    part.write_bytes(b"half")
    if is_kept and headers is WHOLE:
        assert read_record(part, "v", 10) == ResumeRecord(version="v", etag='"e"', size=10)


def test_the_state_of_a_download_counts_and_hashes_each_byte_once(tmp_path):
    """Bytes that are discarded are counted back; there is nothing to count at the start."""
    counts: list[int] = []
    client = HttpClient(1, EAGER)
    request = DownloadRequest(filename="a", url="u", checksum="5d41402abc4b2a76b9719d911017c592")
    path = tmp_path / "a.part"
    state = DownloadState(request=request, path=path, on_bytes=counts.append, halt=client.halt)
    state.limit = 5

    state.add(b"help")
    state.remove_file()
    path.write_bytes(b"hel")
    state.add_file()
    with open(path, "ab") as file:
        state.add(b"lo", file)

    assert counts == [4, -4, 3, 2]
    done = state.result("5", "identity", resumed=True)
    assert (done.size, done.checksum, path.read_bytes()) == (5, request.checksum, b"hello")
    assert (done.path, done.announced, done.encoding, done.resumed) == (path, "5", "identity", True)
    assert not state.result().resumed
    client.halt.set()
    with pytest.raises(ArchiveError, match="a: the download was given up"):
        state.add(b"!")
    assert (state.size, counts[-1]) == (5, 2)


@pytest.mark.parametrize(
    ("is_exclusive", "token", "shown"),
    [(False, None, 1), (True, None, 1), (True, "t", 1), (False, "t", 2)],
)
def test_a_withheld_file_is_asked_for_as_often_as_that_may_help(
    server, tmp_path, monkeypatch, is_exclusive, token, shown
):
    """Once more with the token, if it was not shown before; each refusal is discarded."""
    closed, discard = [], requests.discard
    monkeypatch.setattr(requests, "discard", lambda answer: closed.append(discard(answer)))
    server.put(RATE, body(b"", status=403))
    url = f"{server.url}/{RATE}"
    request = DownloadRequest(filename=RATE, url=url, is_exclusive=is_exclusive)

    with pytest.raises(ArchiveError) as raised:
        download(HttpClient(1, EAGER, token), request, tmp_path)

    assert len(server.requests) == len(closed) == shown
    assert ("the token in MAST_API_TOKEN was rejected" in str(raised.value)) == bool(token)
    assert "answered 403" in str(raised.value)


NO_RESTS = {
    **{f"status {status}": body(b"no", status=status) for status in (400, 401, 403, 404, 405, 501)},
    "a web page": body(b"<html><title>Maintenance</title></html>"),
    "unsatisfiable": body(b"", status=416),
    "another version": body(b"", status=412),
}


@pytest.mark.parametrize("case", NO_RESTS)
@pytest.mark.parametrize("token", [None, "t"])
def test_without_the_rest_the_whole_file_is_requested_at_once(server, tmp_path, image, case, token):
    """The answer to a Range does not show that the file is withheld, or needs the token."""
    request = cut(server, tmp_path, image)
    server.put(RATE, NO_RESTS[case], body(image))

    file = download(HttpClient(1, EAGER, token), request, tmp_path)

    assert file.path.read_bytes() == image and not file.needs_token
    assert ["Range" in headers for _, headers in server.requests] == [True, False]
    assert not any("Authorization" in headers for _, headers in server.requests)


@pytest.mark.parametrize("case", NO_RESTS)
def test_a_file_that_cannot_be_resumed_is_removed(server, tmp_path, image, case):
    """So that a later download does not try in vain."""
    request = cut(server, tmp_path, image)
    server.put(RATE, NO_RESTS[case], body(b"", status=500))

    with pytest.raises(ArchiveError, match="500"):
        download(HttpClient(1, replace(EAGER, attempts=1)), request, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_costs_no_unfinished_file(server, tmp_path, image):
    """It may offer the rest in the next run."""
    request = cut(server, tmp_path, image)
    server.put(RATE, body(b"", status=503))

    with pytest.raises(ArchiveError, match="503"):
        download(HttpClient(1, replace(EAGER, attempts=1)), request, tmp_path)

    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".kept", ".part"]


def test_a_rest_that_brings_nothing_is_not_requested_for_ever(server, tmp_path, image):
    """The file is removed, and requested from its first byte."""
    request, size = cut(server, tmp_path, image), len(image)
    headers = {"Content_Range": f"bytes 5000-{size - 1}/{size}", "ETag": '"v1"'}
    nothing = body(b"", status=206, Content_Length=str(size - 5000), **headers)
    server.put(RATE, nothing, body(image))

    file = download(HttpClient(1, replace(EAGER, bodies=2)), request, tmp_path)

    assert file.path.read_bytes() == image
    assert ["Range" in headers for _, headers in server.requests] == [True, False]
