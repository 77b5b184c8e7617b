"""Downloads: only whole, verified bytes come out, whatever the server does."""

import gzip
import hashlib
import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.archive.transfer import Fetched, Transfer
from jwmirror.archive.wire import Patience
from jwmirror.errors import StoreError
from jwmirror.records import Failure, Product

HASTY = Patience(
    connect_s=2, read_s=0.4, stall_s=0.3, attempts=3, backoff_s=0.01, retry_after_s=0.05
)

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Shelf:
    """A server of files that the test gives replies for; it remembers what was asked."""

    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)  # the last one stays
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def put(self, filename: str, *replies: Reply) -> None:
        """Answer requests for a file with each reply in turn."""
        self.replies[filename] = list(replies)


def serve(shelf: Shelf) -> ThreadingHTTPServer:
    """A loopback server of a shelf."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shelf.requests.append((self.path, dict(self.headers)))
            replies = shelf.replies[self.path.rpartition("/")[2]]
            (replies.pop(0) if len(replies) > 1 else replies[0])(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A fresh shelf on loopback."""
    shelf = Shelf()
    server = serve(shelf)
    yield shelf
    server.shutdown()
    server.server_close()


def body(data: bytes, status: int = 200, **headers: str) -> Reply:
    """Send `data` with its length (or the Content_Length given; "" for none)."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        sent = {"Content_Length": str(len(data)), **headers}
        for name, value in sent.items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        if sent["Content_Length"] != str(len(data)):
            handler.close_connection = True
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data)

    return reply


def slowly(data: bytes) -> Reply:
    """Send a byte every 50 ms."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.close_connection = True
        for start in range(len(data)):
            try:
                handler.wfile.write(data[start : start + 1])
            except OSError:
                return
            time.sleep(0.05)

    return reply


def silently(handler: BaseHTTPRequestHandler) -> None:
    """Send a head and then nothing."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    time.sleep(1)
    handler.close_connection = True


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small FITS file of two HDUs."""
    path = tmp_path_factory.mktemp("image") / "image.fits"
    data = np.arange(5000, dtype="f4")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")]).writeto(path)
    return path.read_bytes()


def product(filename: str, data: bytes | None = None, **facts: object) -> Product:
    """A product whose listing tells the size and MD5 of `data`."""
    if data is not None:
        facts = {"size": len(data), "checksum": hashlib.md5(data).hexdigest(), **facts}
    suffix = filename.rpartition(".")[0].rpartition("_")[2]
    return Product(
        uri=f"mast:JWST/product/{filename}",
        filename=filename,
        program=1345,
        observation="o001",
        suffix=suffix,
        **facts,
    )


@pytest.fixture
def fetch(shelf: Shelf, tmp_path: Path) -> Callable[..., list[Fetched | Failure]]:
    """Fetch products from the shelf, impatiently."""

    def fetch(*products: Product, token: str | None = None) -> list[Fetched | Failure]:
        transfer = Transfer(shelf.url, token, downloads=3, patience=HASTY)
        return list(transfer.fetch(products, tmp_path / "incoming", tmp_path / "quarantine"))

    return fetch


RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
CAT = "jw01345-o001_t001_nircam_clear-f200w_cat.ecsv"
MEMBERS = json.dumps({"asn_type": "image3", "products": []}).encode()


def test_a_whole_file_arrives_with_its_sha256(shelf, fetch, image):
    """A file that is what the listing says is yielded with its path, sha256 and size."""
    shelf.put(RATE, body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image
    assert arrived.sha256 == hashlib.sha256(image).hexdigest()
    assert arrived.size == len(image)


def test_every_request_names_us_and_asks_for_plain_bytes(shelf, fetch, image):
    """The User-Agent names jwmirror, and no compression is asked for."""
    shelf.put(RATE, body(image))

    fetch(product(RATE, image))

    path, headers = shelf.requests[0]
    assert path == f"/api/v0.1/Download/file?uri=mast:JWST/product/{RATE}"
    assert headers["User-Agent"].startswith("jwmirror/")
    assert headers["Accept-Encoding"] == "identity"


def test_a_body_of_unknown_length_is_taken(shelf, fetch, image):
    """Without Content-Length a whole body is still recognised."""
    shelf.put(RATE, body(image, Content_Length=""))

    (arrived,) = fetch(product(RATE))

    assert arrived.path.read_bytes() == image


PAGE = b"<!DOCTYPE html><html><body>Service unavailable</body></html>"
WRONG = {
    "same length, other bytes": (RATE, lambda image: image[:-4] + b"\x01\x02\x03\x04", {}),
    "truncated, no length given": (RATE, lambda image: image[:-2880], {"Content_Length": ""}),
    "web page instead of FITS": (RATE, lambda image: PAGE, {}),
    "empty": (RATE, lambda image: b"", {}),
    "appended bytes": (RATE, lambda image: image + b"\0" * 2880, {}),
    "gzip although plain was asked": (
        RATE,
        lambda image: gzip.compress(image, mtime=0),
        {"Content_Encoding": "gzip"},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bytes_go_to_quarantine_and_never_come_out(case, shelf, fetch, image, tmp_path):
    """A body that differs from the listing is refused, and kept aside with its reason."""
    filename, spoil, headers = WRONG[case]
    shelf.put(filename, *[body(spoil(image), **headers) for _ in range(5)])

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
def test_what_does_not_read_is_refused_without_any_checksum(case, shelf, fetch, image):
    """Where the listing knows no size or checksum, the file must still read as its kind."""
    filename, spoil = UNREADABLE[case]
    shelf.put(filename, body(spoil(image)))

    (outcome,) = fetch(product(filename))

    assert isinstance(outcome, Failure)


@pytest.mark.parametrize("data", [b"# %ECSV 1.0\n# ---\nid\n1\n"])
def test_a_catalogue_and_an_association_are_taken_without_checksum(data, shelf, fetch):
    """Text files and associations that read as such are taken."""
    shelf.put(CAT, body(data))
    shelf.put(ASN, body(MEMBERS))

    arrived = fetch(product(CAT), product(ASN))

    assert {each.path.read_bytes() for each in arrived} == {data, MEMBERS}


def test_a_cut_body_is_asked_for_again(shelf, fetch, image):
    """A connection that breaks in mid-body costs one more request, and mixes nothing."""
    shelf.put(RATE, body(image[:5000], Content_Length=str(len(image))), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image
    assert len(shelf.requests) == 2


@pytest.mark.parametrize("trouble", [slowly(b"x" * 200), silently])
def test_a_crawling_or_silent_body_is_given_up(trouble, shelf, fetch):
    """A body slower than the bounds fails in bounded time and leaves nothing."""
    shelf.put(RATE, trouble)

    (outcome,) = fetch(product(RATE))

    assert isinstance(outcome, Failure)
    assert "cut 3 times" in outcome.message


def test_a_busy_server_is_asked_again_when_it_says(shelf, fetch, image):
    """503 and 429 with Retry-After are retried until the file comes."""
    busy = body(b"", status=503, Retry_After="1")
    shelf.put(RATE, busy, body(b"", status=429, Retry_After="0"), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


@pytest.mark.parametrize("status", [400, 404, 410, 500, 504])
def test_an_error_status_is_a_failure_that_names_it(status, shelf, fetch):
    """An answer other than 200 becomes a failure with file, status and next step."""
    shelf.put(RATE, body(b"no", status=status))

    (outcome,) = fetch(product(RATE))

    assert RATE in outcome.message
    assert str(status) in outcome.message
    assert len(shelf.requests) <= HASTY.attempts


@pytest.mark.parametrize("reply", [body(b"no", status=404), body(PAGE)])
def test_many_failures_do_not_use_up_the_connections(reply, shelf, fetch, image):
    """After more failures than there are connections, a good file still comes."""
    names = [RATE.replace("00001", f"{number:05d}") for number in range(10, 20)]
    for name in names:
        shelf.put(name, reply)
    shelf.put(RATE, body(image))

    outcomes = fetch(*[product(name) for name in names], product(RATE, image))

    assert [each.product.filename for each in outcomes if isinstance(each, Fetched)] == [RATE]


@pytest.mark.parametrize("status", [401, 403])
def test_a_withheld_file_is_a_failure_and_the_others_go_on(status, shelf, fetch, image):
    """Exclusive files without access fail by themselves."""
    shelf.put(RATE, body(b"", status=status))
    shelf.put(ASN, body(MEMBERS))

    outcomes = fetch(product(RATE, image, exclusive=True), product(ASN))

    (failure,) = [each for each in outcomes if isinstance(each, Failure)]
    assert failure.name == RATE
    assert "token" in failure.message


def test_the_token_is_shown_only_where_it_is_needed(shelf, fetch, image):
    """A public file is asked for without the token, an exclusive one with it."""
    shelf.put(RATE, body(image))
    shelf.put(ASN, body(MEMBERS))

    fetch(product(RATE, image, exclusive=True), product(ASN), token="sesame")

    shown = {path.rpartition("/")[2]: head.get("Authorization") for path, head in shelf.requests}
    assert shown == {RATE: "token sesame", ASN: None}


def test_a_refused_file_is_asked_for_again_with_the_token(shelf, fetch, image):
    """A file listed as public that is refused is asked for once more with the token."""
    shelf.put(RATE, body(b"", status=401), body(image))

    (arrived,) = fetch(product(RATE, image), token="sesame")

    assert arrived.path.read_bytes() == image


def test_the_token_never_follows_a_redirect_to_another_host(shelf, fetch, image):
    """A redirect to another server is followed without the token."""
    elsewhere = Shelf()
    server = serve(elsewhere)
    elsewhere.put(RATE, body(image))
    shelf.put(RATE, body(b"", status=302, Location=f"{elsewhere.url}/{RATE}"))

    (arrived,) = fetch(product(RATE, image, exclusive=True), token="sesame")
    server.shutdown()
    server.server_close()

    assert arrived.path.read_bytes() == image
    assert "Authorization" in shelf.requests[0][1]
    assert "sesame" not in str(elsewhere.requests)


def test_a_redirect_loop_ends(shelf, fetch):
    """A server that redirects for ever is given up."""
    shelf.put(RATE, body(b"", status=302, Location=f"/{RATE}"))

    (outcome,) = fetch(product(RATE))

    assert isinstance(outcome, Failure)


def test_a_server_that_is_not_there_is_a_failure_for_each_file(fetch, shelf, tmp_path):
    """No connection at all fails file by file, in bounded time."""
    transfer = Transfer("http://127.0.0.1:9", patience=HASTY)

    outcomes = list(transfer.fetch([product(RATE), product(ASN)], tmp_path / "in", tmp_path / "q"))

    assert {each.name for each in outcomes} == {RATE, ASN}


def test_a_caller_that_stops_early_leaves_no_files_behind(shelf, tmp_path, image):
    """Closing the iterator removes every file that was not handed over."""
    names = [RATE.replace("00001", f"{number:05d}") for number in range(12)]
    for name in names:
        shelf.put(name, body(image))
    transfer = Transfer(shelf.url, downloads=2, patience=HASTY)

    outcomes = transfer.fetch([product(name, image) for name in names], tmp_path / "in", tmp_path)
    first = next(outcomes)
    outcomes.close()

    assert list((tmp_path / "in").iterdir()) == [first.path]


# ---- what an earlier fetch left --------------------------------------------------------------

EAGER = replace(HASTY, bodies=1, keep_from=1)  # everything is worth resuming


def cut_then(shelf: Shelf, tmp_path: Path, image: bytes, patience: Patience = EAGER) -> None:
    """A fetch that got 5,000 bytes of the file, under a strong ETag, before it was cut."""
    shelf.put(RATE, body(image[:5000], Content_Length=str(len(image)), ETag='"v1"'))
    transfer = Transfer(shelf.url, patience=patience)
    list(transfer.fetch([product(RATE, image)], tmp_path / "incoming", tmp_path / "quarantine"))
    shelf.requests.clear()


def rest(image: bytes, etag: str = '"v1"') -> Reply:
    """The bytes from the 5,000th on."""
    place = f"bytes 5000-{len(image) - 1}/{len(image)}"
    return body(image[5000:], status=206, Content_Range=place, ETag=etag)


def test_a_cut_download_goes_on_where_it_was_cut(shelf, fetch, image, tmp_path):
    """The next fetch asks for the rest, on condition that the file is still the same."""
    cut_then(shelf, tmp_path, image)
    shelf.put(RATE, rest(image))

    (arrived,) = fetch(product(RATE, image))

    ((_, asked),) = shelf.requests
    assert (asked["Range"], asked["If-Range"]) == ("bytes=5000-", '"v1"')
    assert arrived.path.read_bytes() == image
    assert arrived.sha256 == hashlib.sha256(image).hexdigest()
    assert [path.suffix for path in (tmp_path / "incoming").iterdir()] == [".part"]


@pytest.mark.parametrize("spoiled", [b"", b"x" * 5000, b"x" * 9000])
def test_a_leftover_whose_bytes_have_changed_costs_time_and_nothing_else(
    spoiled, shelf, fetch, image, tmp_path
):
    """Whatever became of the bytes on disk (a power cut), the file that arrives is right."""
    cut_then(shelf, tmp_path, image)
    (part,) = (tmp_path / "incoming").glob("*.part")
    part.write_bytes(spoiled)
    shelf.put(RATE, *[rest(image)] * (spoiled == b"x" * 5000), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


def test_what_is_left_of_another_version_is_not_gone_on_with(shelf, fetch, image, tmp_path):
    """A leftover belongs to one checksum: when the listing has moved, all is asked for."""
    cut_then(shelf, tmp_path, image)
    newer = image[:-4] + b"\x01\x02\x03\x04"
    shelf.put(RATE, body(newer))

    (arrived,) = fetch(product(RATE, newer))

    ((_, asked),) = shelf.requests
    assert "Range" not in asked
    assert arrived.path.read_bytes() == newer


def test_files_without_checksum_are_never_gone_on_with(shelf, fetch, image, tmp_path):
    """Where MAST gives nothing to hold the whole to, a cut file is dropped at once."""
    shelf.put(RATE, body(image[:5000], Content_Length=str(len(image)), ETag='"v1"'))
    transfer = Transfer(shelf.url, patience=EAGER)

    list(transfer.fetch([product(RATE)], tmp_path / "incoming", tmp_path / "quarantine"))

    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_whole_file_that_a_killed_run_left_is_not_asked_for_again(shelf, fetch, image, tmp_path):
    """Its bytes are hashed again, and held to MAST's checksum."""
    shelf.put(RATE, body(image))
    (left,) = fetch(product(RATE, image))
    shelf.requests.clear()

    (arrived,) = fetch(product(RATE, image))

    assert shelf.requests == []
    assert arrived == left and arrived.path.read_bytes() == image


def test_no_thread_is_left_however_the_fetch_ends(shelf, fetch, image, tmp_path):
    """After the end, and after a caller that stops early, the download threads are gone."""
    names = [RATE.replace("00001", f"{number:05d}") for number in range(12)]
    for name in names:
        shelf.put(name, body(image))

    fetch(*[product(name, image) for name in names])
    outcomes = Transfer(shelf.url, patience=HASTY).fetch(
        [product(names[0])], tmp_path / "x", tmp_path
    )
    next(outcomes)
    outcomes.close()

    assert [each for each in threading.enumerate() if each.name.startswith("download-")] == []


def test_a_withheld_file_is_told_with_its_release(shelf, fetch):
    """The failure names the date, and what can be done before it."""
    shelf.put(RATE, body(b"", status=403))

    (outcome,) = fetch(product(RATE, exclusive=True, release_date="2030-01-02T00:00:00"))

    assert "403; exclusive access until 2030-01-02T00:00:00; set a token" in outcome.message


def fetch_on_a_small_disk(url: str, wanted: Product, folder: Path) -> str:
    """Fetch where no file can grow beyond 20 kB; in a process that this limits alone."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    with pytest.raises(StoreError) as caught:
        list(Transfer(url, patience=HASTY).fetch([wanted], folder, folder / "quarantine"))
    return str(caught.value)


def test_a_disk_that_refuses_ends_the_fetch(shelf, image, tmp_path):
    """A disk that takes no more bytes is an error of the store, not of one file."""
    shelf.put(RATE, body(image))

    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        arguments = (shelf.url, product(RATE, image), tmp_path)
        message = pool.submit(fetch_on_a_small_disk, *arguments).result()

    assert "make room" in message
    assert list(tmp_path.iterdir()) == []
