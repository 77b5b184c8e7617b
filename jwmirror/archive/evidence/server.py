"""Questions to the server about files without a checksum: their ETags or, to be sure, their bytes.

docs/decisions/0033-files-without-a-row.md says what an ETag proves.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice

from urllib3.exceptions import HTTPError

from jwmirror.archive.evidence.signs import SHA256, UNPROVEN, HeldFiles, suspects
from jwmirror.archive.index import HeldIndex
from jwmirror.archive.transfer import download_request
from jwmirror.core.model import Listing, Product
from jwmirror.net.http import HttpClient, Timeouts, base_url, discard, read_head
from jwmirror.net.resume_record import is_strong, kind_of_etag
from jwmirror.net.web_pages import HEAD, page_title

MOST_ALONE = 1000  # files without listed siblings that one poll asks about
MAINTENANCE = "%s: MAST was asked whether it changed, and sent a page of maintenance (%s)"
CONTROLS = 3  # changed files whose ETags are compared

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileAnswers:
    """What the server said of files without a checksum: validators by URI, and which are proof."""

    validators: dict[str, str] = field(default_factory=dict)
    proved: frozenset[str] = frozenset()  # URIs of files that are shown to be the same


@dataclass(frozen=True)
class Recheck:
    """What earlier runs left: files that no poll could decide, and the generation of the mirror.

    `most_bytes` may be read to decide some of the files.
    """

    undecided: Mapping[str, str] = field(default_factory=dict)  # by URI: since when, ISO
    most_bytes: int = 0
    generation: int = 0


@dataclass(kw_only=True)
class FileServer:
    """Requests for ETags and bytes of files at a MAST server; `bytes_read` counts the latter.

    `etag_kinds` are those of the ETags that came.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    downloads: int = 8
    timeouts: Timeouts = field(default_factory=Timeouts)
    recheck: Recheck = field(default_factory=Recheck)
    bytes_read: int = 0
    etag_kinds: set[str] = field(default_factory=set)

    def etags(self, known: Mapping[Product, str | None]) -> dict[str, str]:
        """Return the ETags of products, by URI; "" without one. No answer: the URI is absent.

        A `known` one is sent along, so that the answer for an unchanged file has no body.
        """
        return self._ask(known, lambda client, product: self._etag(client, product, known[product]))

    def hashes(self, products: Iterable[Product]) -> dict[str, str]:
        """Return `sha256:<hex>` of the bytes of products, by URI. No answer: the URI is absent."""
        return self._ask(products, self._hash)

    def _ask(
        self, products: Iterable[Product], ask: Callable[[HttpClient, Product], str | None]
    ) -> dict[str, str]:
        """Return the answers, by URI; products that would be withheld are not requested."""
        asked = [product for product in products if self.token or not product.is_closed]
        if not asked:
            return {}
        client = HttpClient(self.downloads, self.timeouts, self.token)

        def answer(product: Product) -> str | None:
            try:
                return ask(client, product)
            except HTTPError as err:
                log.warning("%s: MAST was asked whether it changed: %s", product.filename, err)
                return None

        with ThreadPoolExecutor(self.downloads, thread_name_prefix="validator") as pool:
            answers = list(pool.map(answer, asked))
        client.close()
        return {p.uri: text for p, text in zip(asked, answers, strict=True) if text is not None}

    def _etag(self, client: HttpClient, product: Product, known: str | None) -> str | None:
        request = download_request(product, base_url(self.url))
        headers = {"If-None-Match": known} if known else {}
        response = client.open(request.url, headers, show_token=request.is_exclusive)
        status, etag = response.status, response.headers.get("ETag", "")
        page = page_title(status, read_head(response, HEAD))
        discard(response)
        if page:
            log.warning(MAINTENANCE, product.filename, page)
            return None
        if status == HTTPStatus.NOT_MODIFIED and known:
            etag = etag or known  # 304 may mean equal but for W/
        elif status != HTTPStatus.OK:
            words = "%s: MAST was asked whether it changed: status %d"
            log.warning(words, product.filename, status)
            return None
        self.etag_kinds.add(kind_of_etag(etag))
        return etag

    def _hash(self, client: HttpClient, product: Product) -> str | None:
        request = download_request(product, base_url(self.url))
        response = client.open(request.url, show_token=request.is_exclusive)
        head = read_head(response, HEAD)
        if response.status != HTTPStatus.OK or page_title(response.status, head):
            discard(response)
            return None
        sha256, size = hashlib.sha256(head), len(head)

        def add(piece: bytes) -> None:
            nonlocal size
            sha256.update(piece)
            size += len(piece)
            if product.size is not None and size > product.size:
                raise HTTPError(f"more than the {product.size} bytes that MAST lists came")

        try:
            client.receive(response, add)
        except HTTPError:
            discard(response)
            raise
        response.release_conn()
        return f"{SHA256}{sha256.hexdigest()}"


def ask_about(
    files: HeldFiles, listing: Listing, held: HeldIndex, server: FileServer
) -> FileAnswers:
    """Ask the server about those of the files that may have changed.

    First for ETags, where siblings changed or are unknown. Then bodies of undecided files are read,
    as many as the server's Recheck allows. Files that are undecided longest come first.
    """
    by_etag = _compare_etags(files, listing, held, server)
    most_bytes = server.recheck.most_bytes - server.bytes_read
    if most_bytes <= 0:
        return by_etag
    others = [
        (product, row)
        for product, row in files
        if product.uri not in by_etag.proved
        and by_etag.validators.get(product.uri) in (None, row.validator)
    ]
    affordable = _affordable(_oldest(others, server.recheck.undecided), most_bytes)
    server.bytes_read += sum(row.size for _, row in affordable)
    hashes = server.hashes(product for product, _ in affordable)
    same = {uri for uri, text in hashes.items() if text == f"{SHA256}{held.rows[uri].sha256}"}
    return FileAnswers(by_etag.validators | hashes, by_etag.proved | same)


def _compare_etags(
    files: HeldFiles, listing: Listing, held: HeldIndex, server: FileServer
) -> FileAnswers:
    """Ask for ETags of files whose siblings changed, and of files without listed siblings.

    One of the former is unproven unless its ETag is strong, equal, and of a server whose ETags
    follow the content.
    """
    changed, alone = suspects(files)
    alone = _oldest(alone, server.recheck.undecided)[:MOST_ALONE]
    known = {p: row.validator for p, row in (*changed, *alone) if is_strong(row.validator)}
    etags = server.etags(known)
    equal = frozenset(p.uri for p, etag in known.items() if etags.get(p.uri) == etag)
    is_proof = _follow_content(listing, held, server) if changed else None
    unanswered = {product.uri for product in known} - etags.keys()
    validators = {p.uri: etags[p.uri] for p, _ in alone if is_strong(etags.get(p.uri))}
    for product, _ in changed:
        if product.uri not in unanswered:
            etag = etags.get(product.uri)
            is_usable = is_strong(etag) and is_proof is not False
            validators[product.uri] = etag if etag and is_usable else UNPROVEN
    return FileAnswers(validators, equal if is_proof else frozenset())


def _follow_content(listing: Listing, held: HeldIndex, server: FileServer) -> bool | None:
    """Return whether ETags change with the content; None if there is nothing to learn it from.

    They do not if files of the mirror share one, or if that of a file that changed is the same.
    """
    if _are_shared(held):
        return False
    known = {product: held.rows[product.uri].validator for product in _changed(listing, held)}
    etags = server.etags(known)
    is_same = [etags[p.uri] == etag for p, etag in known.items() if p.uri in etags]
    return not any(is_same) if is_same else None


def _are_shared(held: HeldIndex) -> bool:
    """Return whether files of the mirror with different checksums have the same ETag."""
    pairs = {(row.validator, row.checksum) for row in held.rows.values() if row.checksum}
    etags = [etag for etag, _ in pairs if is_strong(etag)]
    return len(etags) > len(set(etags))


def _changed(listing: Listing, held: HeldIndex) -> list[Product]:
    """Return a few files whose checksum changed, and whose former ETag is known."""
    rows = held.rows
    changed = (
        product
        for product in listing.products
        if product.checksum
        and product.uri in rows
        and rows[product.uri].checksum not in (None, product.checksum)
        and is_strong(rows[product.uri].validator)
    )
    return list(islice(changed, CONTROLS))


def _oldest(files: HeldFiles, since: Mapping[str, str]) -> HeldFiles:
    """Return the files, those that are undecided longest first."""
    return sorted(files, key=lambda file: since.get(file[0].uri, ""))


def _affordable(files: HeldFiles, most_bytes: int) -> HeldFiles:
    """Return as many of the files as have this many bytes in all."""
    chosen: HeldFiles = []
    for product, row in files:
        if row.size <= most_bytes:
            most_bytes -= row.size
            chosen.append((product, row))
    return chosen
