"""Checks of downloads: MAST's smallest file, twice, then its end, and another file's ETag."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from jwmirror.archive.cloud import bucket_path
from jwmirror.archive.evidence.record import CONSTANT, RANDOM
from jwmirror.archive.transfer import download_request
from jwmirror.core.model import Product
from jwmirror.net.bounds import SLOWEST
from jwmirror.net.http import HttpClient, answering_url, discard, error_words
from jwmirror.net.resume_record import NONE, STRONG, WEAK, is_strong
from jwmirror.net.web_pages import HEAD, page_title
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.report.formatting import size

LARGEST_SAMPLE = 64 << 20  # bytes; a larger file is not downloaded for a check
SAMPLE_S = 30.0  # for each body
REPORT = "report it to jwmirror, with the output of `jwmirror doctor --json`"
BODIES = (
    "nothing to do; files without a row in a keyword table are compared by size and CAL_VER, and "
    "by their bytes as far as archive.recheck_gb_per_run in the config allows"
)
OTHER_CHECKSUMS = (
    f"every file with a checksum would be refused: {REPORT}; if these checksums are no MD5, "
    "`archive.accept_refused: ['*']` in the config takes files as they come"
)
NOT_RESUMED = "nothing to do; interrupted downloads begin again at their first byte"
WITHOUT_LENGTH = (
    "nothing to do; files are whole if they have MAST's checksum or listed size, and interrupted "
    "downloads begin again at their first byte"
)
ETAGS = {
    NONE: "the server sends none",
    WEAK: "weak: equal ones do not promise equal bytes",
    RANDOM: "another one for the same bytes",
    CONSTANT: "the same one for different files",
}


class SlowBodyError(HTTPError):
    """A body that does not end within SAMPLE_S."""

    def __init__(self, received: int, seconds: float):
        self.rate = received / seconds
        super().__init__(f"{received:,} bytes came in {seconds:.0f} s ({self.rate:,.0f} bytes/s)")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One response with a file, or with a part of it."""

    status: int
    content: bytes
    etag: str
    has_length: bool  # it came with a Content-Length
    content_range: str
    host: str  # that sent it, after redirects


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Requests of whole files, and of parts, from one server."""

    client: HttpClient
    url: str  # of MAST

    def get(self, product: Product, headers: dict[str, str] | None = None) -> Delivery:
        """Return the response to a request of a product; HTTPError if it does not come whole."""
        request = download_request(product, self.url)
        return fetch(self.client, request.url, headers, show_token=product.is_closed)

    def etag(self, product: Product) -> str:
        """Return the ETag of a product without reading its body."""
        request = download_request(product, self.url)
        response = self.client.open(request.url, show_token=product.is_closed)
        discard(response)
        return str(response.headers.get("ETag", ""))


def fetch(
    client: HttpClient, url: str, headers: dict[str, str] | None = None, show_token: bool = False
) -> Delivery:
    """Return a response with its body, of LARGEST_SAMPLE bytes at most.

    Raises:
        SlowBodyError: it takes too long for a check.
        HTTPError: it does not come whole.
    """
    response = client.open(url, headers, show_token=show_token)
    content = _content(client, response)
    return Delivery(
        status=response.status,
        content=content,
        etag=response.headers.get("ETag", ""),
        has_length="Content-Length" in response.headers,
        content_range=response.headers.get("Content-Range", ""),
        host=urlsplit(answering_url(url, response)).netloc,
    )


def _content(client: HttpClient, response: BaseHTTPResponse) -> bytes:
    content, began = bytearray(), time.monotonic()

    def add(piece: bytes) -> None:
        content.extend(piece)
        if len(content) > LARGEST_SAMPLE:
            raise HTTPError(f"more than {LARGEST_SAMPLE} bytes came")
        if (seconds := time.monotonic() - began) > SAMPLE_S:
            raise SlowBodyError(len(content), seconds)

    try:
        client.receive(response, add)
    except HTTPError:
        discard(response)
        raise
    response.release_conn()
    return bytes(content)


def ranked_samples(products: Sequence[Product], has_token: bool) -> list[Product]:
    """Return the files that may be downloaded for a check, the best one first.

    Public files with a checksum come first, then the smaller ones.
    """
    given = [
        product
        for product in products
        if 0 < (product.size or 0) <= LARGEST_SAMPLE and (has_token or not product.is_closed)
    ]
    return sorted(given, key=lambda p: (p.is_closed, not p.checksum, p.size, p.uri))


def sample_checks(sampler: Sampler, ranked: Sequence[Product]) -> Iterator[Check]:
    """Check downloads of the first of `ranked`: bytes, host and ranges."""
    product = ranked[0]
    first, second = sampler.get(product), sampler.get(product)
    if page := page_title(first.status, first.content[:HEAD]):
        found = f"a web page ({page}) came in place of {_named(product)}: maintenance"
        yield Check("download", FAIL, found, "run this command again later")
        return
    if first.status != HTTPStatus.OK:
        found = f"the request of {_named(product)} was answered with status {first.status}"
        yield Check("download", FAIL, found, "check the token, and the network")
        return
    yield _content_check(product, first, second)
    if not first.has_length:
        found = "the length of a file is not sent before its bytes"
        yield Check("lengths", WARN, found, WITHOUT_LENGTH)
    yield _host_check(sampler.url, first)
    yield _range_check(sampler, product, first)


def slow_check(error: SlowBodyError) -> Check:
    """Return the check of a download that took too long for the others."""
    found = f"{error}; ranges and ETags were not checked"
    if error.rate < SLOWEST:
        step = f"check the network and the proxy: a run gives up below {SLOWEST:,} bytes/s"
        return Check("download", FAIL, found, step)
    return Check("download", WARN, found, "nothing to do, but a run will take long")


def _named(product: Product) -> str:
    """Return a product's name; an exclusive one is not named."""
    return "an exclusive file" if product.is_closed else product.filename


def _content_check(product: Product, first: Delivery, second: Delivery) -> Check:
    what = f"{_named(product)} ({size(len(first.content))}), downloaded twice"
    md5 = hashlib.md5(first.content, usedforsecurity=False).hexdigest()
    if first.content != second.content:
        return Check("download", FAIL, f"{what}: different bytes", REPORT)
    if product.checksum and md5 != product.checksum:
        found = f"{what}: MD5 {md5}, where MAST lists {product.checksum}"
        return Check("download", FAIL, found, OTHER_CHECKSUMS)
    if product.size != len(first.content):
        found = f"{what}: {len(first.content)} bytes, where MAST lists {product.size}"
        return Check("download", WARN, found, REPORT)
    if not product.checksum:
        found = f"{what}: equal; MAST lists no checksum of any file that you may have"
        return Check("download", WARN, found, BODIES)
    return Check("download", OK, f"{what}: the MD5 that MAST lists")


def _host_check(url: str, first: Delivery) -> Check:
    if first.host == urlsplit(url).netloc:
        return Check("redirects", OK, "none")
    return Check("redirects", OK, f"files come from {first.host}, which a firewall has to allow")


def _range_check(sampler: Sampler, product: Product, first: Delivery) -> Check:
    """Check whether the second half of a file can be requested alone."""
    total = len(first.content)
    start = total // 2
    condition = {"If-Range": first.etag} if is_strong(first.etag) else {}
    try:
        part = sampler.get(product, {"Range": f"bytes={start}-", **condition})
    except HTTPError as err:
        found = f"the request had no answer: {error_words(err)}"
        return Check("ranges", WARN, found, NOT_RESUMED)
    if part.status == HTTPStatus.OK:
        return Check("ranges", WARN, "not honoured: the whole file comes", NOT_RESUMED)
    if part.status != HTTPStatus.PARTIAL_CONTENT:
        return Check("ranges", WARN, f"refused with status {part.status}", NOT_RESUMED)
    is_right = part.content_range == f"bytes {start}-{total - 1}/{total}"
    if not is_right or part.content != first.content[start:]:
        return Check("ranges", WARN, "other bytes come than were requested", NOT_RESUMED)
    if not is_strong(first.etag):
        found = "honoured, but without a strong ETag the rest may be of another version"
        return Check("ranges", WARN, found, NOT_RESUMED)
    return Check("ranges", OK, "honoured: interrupted downloads continue")


# ---- ETags -----------------------------------------------------------------------------------


def etag_kind(sampler: Sampler, ranked: Sequence[Product]) -> str:
    """Return the kind of the server's ETags, by requests of two of the `ranked` files."""
    seen = {sampler.etag(ranked[0]) for _ in range(4)}
    if "" in seen:
        return NONE
    if not all(map(is_strong, seen)):
        return WEAK
    if len(seen) > 1:
        return RANDOM
    others = [p for p in ranked[1:] if p.checksum != ranked[0].checksum or p.size != ranked[0].size]
    return CONSTANT if others and sampler.etag(others[0]) in seen else STRONG


def etag_checks(sampler: Sampler, ranked: Sequence[Product], kind: str) -> Iterator[Check]:
    """Check whether ETags show that a file is unchanged, and without sending it."""
    if kind != STRONG:
        yield Check("ETags", WARN, ETAGS[kind], BODIES)
        return
    yield Check("ETags", OK, "strong, and equal for equal bytes")
    etag = sampler.etag(ranked[0])
    answer = sampler.get(ranked[0], {"If-None-Match": etag})
    if answer.status != HTTPStatus.NOT_MODIFIED:
        found = f"a request with If-None-Match is answered with status {answer.status}, not 304"
        step = "nothing to do; an unchanged file costs the begin of a download"
        yield Check("conditional requests", WARN, found, step)


# ---- the cloud copy --------------------------------------------------------------------------


def cloud_check(client: HttpClient, url: str, ranked: Sequence[Product]) -> Check:
    """Check whether the cloud copy at `url` has the smallest file that it should have."""
    step = "nothing to do: MAST gives what the copy lacks; or correct archive.cloud_url"
    expected = [p for p in ranked if p.checksum and not p.is_closed and bucket_path(p.filename)]
    if not expected:
        return Check("cloud copy", WARN, "no public file with a checksum is selected", step)
    product = expected[0]
    try:
        delivery = fetch(client, f"{url}/{bucket_path(product.filename)}")
    except HTTPError as err:
        return Check("cloud copy", WARN, f"it does not answer: {error_words(err)}", step)
    if delivery.status != HTTPStatus.OK:
        found = f"status {delivery.status} for {product.filename}"
        return Check("cloud copy", WARN, found, step)
    md5 = hashlib.md5(delivery.content, usedforsecurity=False).hexdigest()
    if md5 != product.checksum:
        found = f"it has another version of {product.filename} than MAST lists"
        return Check("cloud copy", WARN, found, step)
    return Check("cloud copy", OK, f"it has {product.filename} as MAST lists it")
