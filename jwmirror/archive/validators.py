"""What MAST keeps no checksum of (associations, pools, catalogues): told apart all the same."""

import hashlib
import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import urllib3
from msgspec import structs
from urllib3.exceptions import HTTPError

from jwmirror.archive.transfer import download_request
from jwmirror.core.model import Listing, Product
from jwmirror.net.http import HttpClient, Timeouts, base_url, discard

LARGEST = 1 << 28  # bytes of a body that is read just to tell it from others
HASHED = "sha256:"

log = logging.getLogger(__name__)


def add_validators(
    listing: Listing,
    url: str,
    known: Mapping[str, str | None],
    token: str | None = None,
    downloads: int = 8,
    uris: Collection[str] | None = None,
    timeouts: Timeouts | None = None,
) -> Listing:
    """The listing with a validator for each product without checksum (of `uris` only, if given).

    `known` holds, by URI, the validators of what is held. What has not changed costs a
    conditional request where the server gives strong ETags, and a download where it gives none.
    Where there is no answer, the known validator stays, so that the next poll looks again.
    """
    base, client = base_url(url), HttpClient(downloads, timeouts or Timeouts(), token)
    asked = [
        product
        for product in listing.products
        if not product.checksum
        and (uris is None or product.uri in uris)
        and (token or not product.exclusive)
    ]

    def look(product: Product) -> tuple[str, str | None]:
        return product.uri, _validator(client, base, product, known.get(product.uri))

    with ThreadPoolExecutor(downloads, thread_name_prefix="validator") as pool:
        seen = dict(pool.map(look, asked))
    client.close()
    log.info("looked at %d products without checksum", len(asked))
    return with_validators(listing, {**known, **seen})


def with_validators(listing: Listing, validators: Mapping[str, str | None]) -> Listing:
    """The listing with these validators, by URI, of the products without checksum. Pure."""
    products = tuple(
        product
        if product.checksum
        else structs.replace(product, validator=validators.get(product.uri))
        for product in listing.products
    )
    return replace(listing, products=products)


def _validator(client: HttpClient, base: str, product: Product, known: str | None) -> str | None:
    """What tells a product's present content from others; `known` if there is no answer."""
    request = download_request(product, base)
    is_tag = known is not None and not known.startswith(HASHED)
    condition = {"If-None-Match": known} if is_tag else {}
    try:
        response = client.open(request.url, condition, show_token=request.is_withheld)
        if response.status == 304 and is_tag:
            response.drain_conn()
            response.release_conn()
            return known
        if response.status != 200:
            discard(response)
            log.warning("%s: no validator, status %d", product.filename, response.status)
            return known
        tag = response.headers.get("ETag", "")
        if tag.startswith('"') and (is_tag or known is None):
            discard(response)
            return tag
        return _hashed(client, response, product.filename) or known
    except HTTPError as err:
        log.warning("%s: no validator: %s", product.filename, err)
        return known


def _hashed(client: HttpClient, response: urllib3.BaseHTTPResponse, filename: str) -> str | None:
    """The sha256 of a body that is read to its end; None if it is too large for that."""
    body = _Hash()
    try:
        client.receive(response, body, body.count)
    except _TooLargeError:
        discard(response)
        log.warning("%s: no validator, more than %d bytes", filename, LARGEST)
        return None
    response.release_conn()
    return f"{HASHED}{body.sha256.hexdigest()}"


class _TooLargeError(Exception):
    """A body is not worth reading any further."""


class _Hash:
    """A file that keeps nothing of what is written but its sha256."""

    def __init__(self) -> None:
        self.sha256, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)

    def count(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > LARGEST:
            raise _TooLargeError
