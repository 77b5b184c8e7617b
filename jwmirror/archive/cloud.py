"""The public cloud copy of MAST's files: nearer and faster for some, older now and then.

What is there is public and may lag behind MAST, so that only products are asked for whose bytes a
checksum of MAST's can judge; docs/decisions/0008-cloud-copy.md says why this is plain HTTP.
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
from jwmirror.net.resume import resume_key

PREFIX = "jwst/public"
GIVE_UP = 16  # products in a row that are not to be had: then the rest comes from MAST at once
_EXPOSURE = re.compile(r"(jw\d{5})\d{6}(?=_)")
_COMBINED = re.compile(r"(jw\d{5})-(o\d{3})_t\d{3}_")

log = logging.getLogger(__name__)


def bucket_path(filename: str) -> str | None:
    """Where in the bucket a file should be; None where the layout is not known.

    jw01345001001_..._cal.fits: jwst/public/jw01345/jw01345001001/; jw01345-o001_t001_..._i2d.fits:
    jwst/public/jw01345/L3/t/o001/.
    """
    if found := _EXPOSURE.match(filename):
        return f"{PREFIX}/{found[1]}/{found[0]}/{filename}"
    if found := _COMBINED.match(filename):
        return f"{PREFIX}/{found[1]}/L3/t/{found[2]}/{filename}"
    return None


class CloudCopy:
    """Downloads from a public bucket, without a token; MAST has to be asked for what is not there.

    `url` is the bucket's: https://<bucket>.s3.amazonaws.com, or http://<host>/<bucket>.
    """

    def __init__(self, url: str, connections: int, patience: Timeouts):
        self.line = HttpClient(connections, patience)
        self.given = 0  # products
        self._url, self._misses, self._counting = base_url(url), 0, threading.Lock()

    def download(
        self,
        product: Product,
        into: Path,
        quarantine: Path,
        on_bytes: Callable[[int], None],
        halt: threading.Event,
    ) -> DownloadedFile | None:
        """A product's bytes, checked like those from MAST; None if MAST has to give them.

        Raises OSError when the disk refuses.
        """
        wanted = self._wanted(product)
        if wanted is None or self._misses >= GIVE_UP:
            return None
        came = ByteCounter(on_bytes)
        try:
            body = download(self.line, wanted, into, quarantine, came.add, halt)
        except ArchiveError as err:
            came.add(-came.total)
            self._note(is_miss=not isinstance(err, RejectedError))
            why = f"status {err.status}" if isinstance(err, WithheldError) else err
            log.info("%s: not from the cloud copy, so from MAST: %s", product.filename, why)
            return None
        self._note(is_miss=False)
        with self._counting:
            self.given += 1
        return body

    def _wanted(self, product: Product) -> DownloadRequest | None:
        """How to ask for a product; None for what is not public, or cannot be judged."""
        place = bucket_path(product.filename)
        if product.exclusive or not product.checksum or place is None:
            return None
        return DownloadRequest(
            filename=product.filename,
            url=f"{self._url}/{place}",
            size=product.size,
            checksum=product.checksum,
            key=resume_key(product),
            version=product.fingerprint,
        )

    def _note(self, *, is_miss: bool) -> None:
        with self._counting:
            self._misses = self._misses + 1 if is_miss else 0
            if self._misses == GIVE_UP:
                log.warning(
                    "the cloud copy at %s had none of %d products asked for in a row; the rest of "
                    "this order comes from MAST; check archive.cloud_url in the config",
                    self._url,
                    GIVE_UP,
                )


class ByteCounter:
    """Bytes that came, told on as they come."""

    def __init__(self, tell: Callable[[int], None]):
        self.total, self._tell = 0, tell

    def add(self, count: int) -> None:
        """Count some more, or fewer."""
        self.total += count
        self._tell(count)
