"""The public cloud copy of MAST's files: faster to reach for some users, sometimes outdated.

It has public files only and may lag behind MAST, so that products are taken from it only if MAST
gives a checksum to verify them with; docs/decisions/0008-cloud-copy.md says why this is plain HTTP.
"""

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

from jwmirror.core.errors import ArchiveError, RejectedError, WithheldError
from jwmirror.core.model import Product
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient, Timeouts, base_url
from jwmirror.net.request import DownloadedFile, DownloadRequest

PREFIX = "jwst/public"
GIVE_UP = 16  # products in a row that it does not have: then the rest is requested from MAST
_EXPOSURE = re.compile(r"(jw\d{5})\d{6}(?=_)")
_COMBINED = re.compile(r"(jw\d{5})-(o\d{3})_t\d{3}_")

log = logging.getLogger(__name__)


def bucket_path(filename: str) -> str | None:
    """Return the path of a file in the bucket; None where MAST documents no layout for it.

    jw01345001001_..._cal.fits: jwst/public/jw01345/jw01345001001/; jw01345-o001_t001_..._i2d.fits:
    jwst/public/jw01345/L3/t/o001/.
    """
    if exposure := _EXPOSURE.match(filename):
        return f"{PREFIX}/{exposure[1]}/{exposure[0]}/{filename}"
    if combined := _COMBINED.match(filename):
        return f"{PREFIX}/{combined[1]}/L3/t/{combined[2]}/{filename}"
    return None


class CloudCopy:
    """Downloads from a public bucket, without a token.

    `url` is the bucket's: https://<bucket>.s3.amazonaws.com, or http://<host>/<bucket>. Downloads
    end soon when `halt` is set.
    """

    def __init__(self, url: str, connections: int, timeouts: Timeouts, halt: threading.Event):
        self.http = HttpClient(connections, timeouts, halt=halt)
        self.downloaded = 0  # products
        self._url, self._misses, self._counting = base_url(url), 0, threading.Lock()

    def download(
        self, product: Product, folder: Path, quarantine: Path, on_bytes: Callable[[int], None]
    ) -> DownloadedFile | None:
        """Download a product, checked like those from MAST; None if it has to come from MAST.

        Raises OSError when the disk refuses.
        """
        request = self._request(product)
        if request is None or self._misses >= GIVE_UP:
            return None
        received = 0

        def count(size: int) -> None:
            nonlocal received
            received += size
            on_bytes(size)

        try:
            file = download(self.http, request, folder, quarantine, count)
        except ArchiveError as err:
            on_bytes(-received)
            self._count(is_miss=not isinstance(err, RejectedError))
            why = f"status {err.status}" if isinstance(err, WithheldError) else err
            log.info("%s: not from the cloud copy, so from MAST: %s", product.filename, why)
            return None
        self._count(is_miss=False)
        with self._counting:
            self.downloaded += 1
        return file

    def _request(self, product: Product) -> DownloadRequest | None:
        """Return the request for a product; None if it is not public or cannot be verified."""
        path = bucket_path(product.filename)
        if product.is_closed or not product.checksum or path is None:
            return None
        return DownloadRequest.of(product, f"{self._url}/{path}")

    def _count(self, *, is_miss: bool) -> None:
        with self._counting:
            self._misses = self._misses + 1 if is_miss else 0
            if self._misses == GIVE_UP:
                log.warning(
                    "the cloud copy at %s had none of %d products requested in a row; the rest of "
                    "this order comes from MAST; check archive.cloud_url in the config",
                    self._url,
                    GIVE_UP,
                )
