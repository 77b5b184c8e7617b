"""Downloads: only whole, verified bytes come out, whatever the server does."""

import gzip
import hashlib
import json

import pytest

from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Failure
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient
from jwmirror.net.request import DownloadRequest
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    body,
    file_server,
    hasty_fetch,
    serve,
    silently,
    slowly,
    small_image,
)
from tests.setup.records import ASN, RATE, product

CAT = "jw01345-o001_t001_nircam_clear-f200w_cat.ecsv"
MEMBERS = json.dumps({"asn_type": "image3", "products": []}).encode()


def test_a_whole_file_arrives_with_its_sha256(server, fetch, image):
    """A file that is what the listing says is yielded with its path, sha256 and size."""
    server.put(RATE, body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image
    assert arrived.sha256 == hashlib.sha256(image).hexdigest()
    assert arrived.size == len(image)


def test_every_request_names_us_and_asks_for_plain_bytes(server, fetch, image):
    """The User-Agent names jwmirror, and no compression is asked for."""
    server.put(RATE, body(image))

    fetch(product(RATE, image))

    path, headers = server.requests[0]
    assert path == f"/api/v0.1/Download/file?uri=mast:JWST/product/{RATE}"
    assert headers["User-Agent"].startswith("jwmirror/")
    assert headers["Accept-Encoding"] == "identity"


def test_a_body_of_unknown_length_is_taken(server, fetch, image):
    """Without Content-Length a whole body is still recognised."""
    server.put(RATE, body(image, Content_Length=""))

    (arrived,) = fetch(product(RATE))

    assert arrived.path.read_bytes() == image


PAGE = b"<!DOCTYPE html><html><body>Service unavailable</body></html>"
WRONG = {
    "same length, other bytes": (RATE, lambda image: image[:-4] + b"\x01\x02\x03\x04", {}),
    "truncated, no length given": (RATE, lambda image: image[:-2880], {"Content_Length": ""}),
    "XML instead of FITS": (RATE, lambda image: b"<?xml version='1.0'?><Error/>", {}),
    "empty": (RATE, lambda image: b"", {}),
    "gzip although plain was asked": (
        RATE,
        lambda image: gzip.compress(image, mtime=0),
        {"Content_Encoding": "gzip"},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bytes_go_to_quarantine_and_never_come_out(case, server, fetch, image, tmp_path):
    """A body that differs from the listing is refused, and kept aside with its reason."""
    filename, spoil, headers = WRONG[case]
    server.put(filename, *[body(spoil(image), **headers) for _ in range(5)])

    (outcome,) = fetch(product(filename, image))

    assert isinstance(outcome, Failure)
    assert "quarantine" in outcome.message
    assert list((tmp_path / "incoming").iterdir()) == []
    (reason,) = (tmp_path / "quarantine").glob("*.reason")
    assert reason.read_text().strip() == outcome.message
    assert reason.with_suffix("").read_bytes() == spoil(image)


UNREADABLE = {
    "FITS cut at a block": (RATE, lambda image: image[:-2880]),
    "FITS with a tail": (RATE, lambda image: image + b"\0" * 2880),
    "FITS of its first block only": (RATE, lambda image: image[:2880] + b"X" * 100),
    "page under a FITS name": (RATE, lambda image: PAGE),
    "page under a JSON name": (ASN, lambda image: PAGE),
    "page under an ECSV name": (CAT, lambda image: PAGE),
    "JSON error under an ECSV name": (CAT, lambda image: b'{"error": "busy"}'),
    "JSON error under an association's name": (ASN, lambda image: b'{"error": "busy"}'),
    "JSON cut": (ASN, lambda image: MEMBERS[:-5]),
    "JSON list": (ASN, lambda image: b"[1, 2]"),
    "ECSV of bytes": (CAT, lambda image: b"# %ECSV \xff\xfe\xfa"),
    "empty ECSV": (CAT, lambda image: b""),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_does_not_read_is_refused_without_any_checksum(case, server, fetch, image):
    """Where the listing knows no size or checksum, the file must still read as its kind."""
    filename, spoil = UNREADABLE[case]
    server.put(filename, body(spoil(image)))

    (outcome,) = fetch(product(filename))

    assert isinstance(outcome, Failure)


@pytest.mark.parametrize("data", [b"# %ECSV 1.0\n# ---\nid\n1\n"])
def test_a_catalogue_and_an_association_are_taken_without_checksum(data, server, fetch):
    """Text files and associations that read as such are taken."""
    server.put(CAT, body(data))
    server.put(ASN, body(MEMBERS))

    arrived = fetch(product(CAT), product(ASN))

    assert {each.path.read_bytes() for each in arrived} == {data, MEMBERS}


def test_a_cut_body_is_asked_for_again(server, fetch, image):
    """A connection that breaks in mid-body costs one more request, and mixes nothing."""
    server.put(RATE, body(image[:5000], Content_Length=str(len(image))), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image
    assert len(server.requests) == 2


def test_bytes_of_a_cut_body_are_counted_back(server, image, tmp_path):
    """The progress of a file that is fetched again is its size, not more."""
    server.put(RATE, body(image[:5000], Content_Length=str(len(image))), body(image))
    request = DownloadRequest(filename=RATE, url=f"{server.url}/{RATE}")
    counts: list[int] = []

    download(HttpClient(1, HASTY), request, tmp_path, on_bytes=counts.append)

    assert min(counts) < 0
    assert sum(counts) == len(image)


@pytest.mark.parametrize("trouble", [slowly(b"x" * 200), silently])
def test_a_crawling_or_silent_body_is_given_up(trouble, server, fetch):
    """A body slower than the bounds fails in bounded time and leaves nothing."""
    server.put(RATE, trouble)

    (outcome,) = fetch(product(RATE))

    assert isinstance(outcome, Failure)
    assert "cut 3 times" in outcome.message


def test_a_busy_server_is_asked_again_when_it_says(server, fetch, image):
    """503 and 429 with Retry-After are retried until the file comes."""
    busy = body(b"", status=503, Retry_After="1")
    server.put(RATE, busy, body(b"", status=429, Retry_After="0"), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


@pytest.mark.parametrize("status", [400, 404, 410, 500, 504])
def test_an_error_status_is_a_failure_that_names_it(status, server, fetch):
    """An answer other than 200 becomes a failure with file, status and next step."""
    server.put(RATE, body(b"no", status=status))

    (outcome,) = fetch(product(RATE))

    assert RATE in outcome.message
    assert str(status) in outcome.message
    assert len(server.requests) <= HASTY.attempts


@pytest.mark.parametrize("reply", [body(b"no", status=404), body(PAGE)])
def test_many_failures_do_not_use_up_the_connections(reply, server, fetch, image):
    """After more failures than there are connections, a good file still comes."""
    names = [RATE.replace("00001", f"{number:05d}") for number in range(10, 20)]
    for name in names:
        server.put(name, reply)
    server.put(RATE, body(image))

    outcomes = fetch(*[product(name) for name in names], product(RATE, image))

    assert [each.product.filename for each in outcomes if isinstance(each, Downloaded)] == [RATE]


def test_the_connection_of_an_error_or_of_a_write_that_fails_is_closed(
    server, image, tmp_path, monkeypatch
):
    """Its body is not read to the end, so the connection cannot be used again."""
    closed = []
    monkeypatch.setattr("jwmirror.net.request.discard", closed.append)
    request = DownloadRequest(filename=RATE, url=f"{server.url}/{RATE}")

    def refuse(count: int) -> None:
        raise OSError("disk full")

    server.put(RATE, body(b"no", status=404), body(image))
    with pytest.raises(ArchiveError, match="404"):
        download(HttpClient(1, HASTY), request, tmp_path)
    with pytest.raises(OSError, match="disk full"):
        download(HttpClient(1, HASTY), request, tmp_path, on_bytes=refuse)

    assert [response.status for response in closed] == [404, 200]


@pytest.mark.parametrize("status", [401, 403])
def test_a_withheld_file_is_a_failure_and_the_others_go_on(status, server, fetch, image):
    """Exclusive files without access fail by themselves."""
    server.put(RATE, body(b"", status=status))
    server.put(ASN, body(MEMBERS))

    outcomes = fetch(product(RATE, image, exclusive=True), product(ASN))

    (failure,) = [each for each in outcomes if isinstance(each, Failure)]
    assert failure.name == RATE
    assert "token" in failure.message


def test_a_withheld_file_is_told_with_its_release(server, fetch):
    """The failure names the date, and what can be done before it."""
    server.put(RATE, body(b"", status=403))

    (outcome,) = fetch(product(RATE, exclusive=True, release_date="2030-01-02T00:00:00"))

    assert "403; exclusive access until 2030-01-02T00:00:00; no token was shown" in outcome.message


def test_the_token_is_shown_only_where_it_is_needed(server, fetch, image):
    """A public file is asked for without the token, an exclusive one with it."""
    server.put(RATE, body(image))
    server.put(ASN, body(MEMBERS))

    fetch(product(RATE, image, exclusive=True), product(ASN), token="sesame")

    shown = {path.rpartition("/")[2]: head.get("Authorization") for path, head in server.requests}
    assert shown == {RATE: "token sesame", ASN: None}


def test_a_refused_file_is_asked_for_again_with_the_token(server, fetch, image):
    """A file listed as public that is refused is asked for once more with the token."""
    server.put(RATE, body(b"", status=401), body(image))

    (arrived,) = fetch(product(RATE, image), token="sesame")

    assert arrived.path.read_bytes() == image


def test_the_token_never_follows_a_redirect_to_another_host(server, fetch, image):
    """A redirect to another server is followed without the token."""
    with serve() as elsewhere:
        elsewhere.put(RATE, body(image))
        server.put(RATE, body(b"", status=302, Location=f"{elsewhere.url}/{RATE}"))
        (arrived,) = fetch(product(RATE, image, exclusive=True), token="sesame")

    assert arrived.path.read_bytes() == image
    assert "Authorization" in server.requests[0][1]
    assert "sesame" not in str(elsewhere.requests)


def test_a_redirect_loop_ends(server, fetch):
    """A server that redirects for ever is given up."""
    server.put(RATE, body(b"", status=302, Location=f"/{RATE}"))

    (outcome,) = fetch(product(RATE))

    assert isinstance(outcome, Failure)


def test_a_server_that_is_not_there_is_a_failure_for_each_file(fetch, server, tmp_path):
    """No connection at all fails file by file, in bounded time."""
    transfer = MastDownloader("http://127.0.0.1:9", timeouts=HASTY)

    outcomes = list(
        transfer.download([product(RATE), product(ASN)], tmp_path / "in", tmp_path / "q")
    )

    assert {each.name for each in outcomes} == {RATE, ASN}
