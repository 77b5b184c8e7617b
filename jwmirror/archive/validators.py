"""Validators (ETag or sha256) of files without a checksum at MAST: associations, catalogues..."""

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
from jwmirror.net.http import HttpClient, Timeouts, base_url, discard, read_head
from jwmirror.net.web_pages import HEAD, page_title

LARGEST = 1 << 28  # bytes of a body that is read only to hash it
SHA256 = "sha256:"  # prefix of a validator that is no ETag

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
    """Return the listing with a validator for each product without checksum (of `uris` if given).

    `known` are the validators, by URI, of the files that the mirror has. An unchanged file costs a
    conditional request where the server gives strong ETags, and a download where it does not.
    Where there is no answer the known validator stays, so that the next poll asks again.
    """
    base, client = base_url(url), HttpClient(downloads, timeouts or Timeouts(), token)
    products = [
        product
        for product in listing.products
        if not product.checksum
        and (uris is None or product.uri in uris)
        and (token or not product.exclusive)
    ]

    def validate(product: Product) -> tuple[str, str | None]:
        return product.uri, _validator(client, base, product, known.get(product.uri))

    with ThreadPoolExecutor(downloads, thread_name_prefix="validator") as pool:
        current = dict(pool.map(validate, products))
    client.close()
    log.info("checked %d products without checksum", len(products))
    return with_validators(listing, {**known, **current})


def with_validators(listing: Listing, validators: Mapping[str, str | None]) -> Listing:
    """Return the listing with these validators, by URI, of the products without checksum. Pure."""
    products = tuple(
        product
        if product.checksum
        else structs.replace(product, validator=validators.get(product.uri))
        for product in listing.products
    )
    return replace(listing, products=products)


def _validator(client: HttpClient, base: str, product: Product, known: str | None) -> str | None:
    """Return the validator of a product's present content; `known` if there is no answer."""
    request = download_request(product, base)
    known_etag = known if known and not known.startswith(SHA256) else None
    condition = {"If-None-Match": known_etag} if known_etag else {}
    try:
        response = client.open(request.url, condition, show_token=request.is_exclusive)
        if response.status == 304 and known_etag:
            response.drain_conn()
            response.release_conn()
            return known
        if response.status != 200:
            discard(response)
            log.warning("%s: no validator, status %d", product.filename, response.status)
            return known
        head = read_head(response, HEAD)
        if title := page_title(response.status, head):
            discard(response)
            words = "%s: no validator: MAST is in maintenance, and sent a web page (%s)"
            log.warning(words, product.filename, title)
            return known
        etag = response.headers.get("ETag", "")
        if etag.startswith('"') and (known_etag or known is None):
            discard(response)
            return etag
        return _hashed(client, response, product.filename, head) or known
    except HTTPError as err:
        log.warning("%s: no validator: %s", product.filename, err)
        return known


def _hashed(
    client: HttpClient, response: urllib3.BaseHTTPResponse, filename: str, head: bytes
) -> str | None:
    """Return the sha256 of a body that begins with `head`, which was read; None if too large."""
    sha256, size = hashlib.sha256(head), len(head)

    def add(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > LARGEST:
            raise _TooLargeError
        sha256.update(piece)

    try:
        client.receive(response, add)
    except _TooLargeError:
        discard(response)
        log.warning("%s: no validator, more than %d bytes", filename, LARGEST)
        return None
    response.release_conn()
    return f"{SHA256}{sha256.hexdigest()}"


class _TooLargeError(Exception):
    """A body is longer than LARGEST."""
