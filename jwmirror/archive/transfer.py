"""Downloads of products over several connections: one queue, each file whole and verified."""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import quote

from jwmirror.archive.cloud import CloudCopy
from jwmirror.core.errors import ArchiveError, StoreError
from jwmirror.core.model import Failure, Product
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient, Timeouts, base_url
from jwmirror.net.progress import LIVE_S, Progress, terminal
from jwmirror.net.request import DownloadedFile, DownloadRequest
from jwmirror.net.resume import resume_key

DOWNLOAD = "/api/v0.1/Download/file"
AHEAD = 16  # per connection: files under way, or finished and not yet taken by the caller

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A product's bytes, whole and verified, in a temporary file that the caller now owns."""

    product: Product
    path: Path
    sha256: str
    size: int  # bytes


def download_request(product: Product, url: str) -> DownloadRequest:
    """How to ask the MAST server at `url` for a product, and what has to come."""
    return DownloadRequest(
        filename=product.filename,
        url=f"{url}{DOWNLOAD}?uri={quote(product.uri, safe=':/')}",
        size=product.size,
        checksum=product.checksum,
        is_withheld=product.exclusive,
        release=product.release_date,
        key=resume_key(product),
        version=product.fingerprint,
    )


class Transfer:
    """Downloads from one MAST server, over at most `downloads` connections at a time.

    The token is shown to that server only, and only for files that are withheld without it. What
    a public copy at `cloud_url` has is taken from there.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        downloads: int = 8,
        patience: Timeouts | None = None,
        cloud_url: str | None = None,
    ):
        self._url, self._token, self._cloud_url = base_url(url), token, cloud_url
        self._downloads, self._patience = downloads, patience or Timeouts()

    def fetch(
        self, products: Iterable[Product], into: Path, quarantine: Path
    ) -> Iterator[Fetched | Failure]:
        """Download products; yield each as it completes, or the failure it came to.

        A file in `into` is the caller's once it is yielded; of others only what may be resumed is
        left. A body that is not right goes to `quarantine`, with its reason beside it. `into` is
        for this fetch alone. Raises StoreError when the disk refuses.
        """
        try:
            into.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise _refused(into.name, into.parent, err) from err
        products = tuple(dict.fromkeys(products))
        progress = Progress(len(products), sum(p.size or 0 for p in products), terminal())
        line = HttpClient(self._downloads, self._patience, self._token)
        once = replace(self._patience, attempts=2, bodies=1)  # MAST is there if the cloud is not
        cloud = CloudCopy(self._cloud_url, self._downloads, once) if self._cloud_url else None
        work = _Work(
            line=line,
            url=self._url,
            cloud=cloud,
            into=into,
            quarantine=quarantine,
            progress=progress,
        )
        yield from _Crew(work, deque(products), self._downloads).outcomes()
        progress.conclude()
        if cloud:
            log.info("%d of %d files came from the cloud copy", cloud.given, len(products))


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What the downloads of one fetch share."""

    line: HttpClient
    url: str
    cloud: CloudCopy | None
    into: Path
    quarantine: Path
    progress: Progress

    def halt(self) -> None:
        """Let every download end soon."""
        self.line.halt.set()
        if self.cloud:
            self.cloud.line.halt.set()

    def close(self) -> None:
        """Close the connections."""
        self.line.close()
        if self.cloud:
            self.cloud.line.close()

    def outcome(self, product: Product) -> Fetched | Failure:
        """Download one product; StoreError when the disk refuses."""
        try:
            body = self._from_cloud(product) or download(
                self.line,
                download_request(product, self.url),
                self.into,
                self.quarantine,
                self.progress.add,
            )
        except ArchiveError as err:
            if not self.line.halt.is_set():
                log.warning("%s", err)
            return Failure(name=product.filename, message=str(err))
        except OSError as err:
            raise _refused(product.filename, self.into, err) from err
        return Fetched(product=product, path=body.path, sha256=body.sha256, size=body.size)

    def _from_cloud(self, product: Product) -> DownloadedFile | None:
        if self.cloud is None:
            return None
        add, halt = self.progress.add, self.line.halt
        return self.cloud.download(product, self.into, self.quarantine, add, halt)


def _refused(what: str, folder: Path, err: OSError) -> StoreError:
    return StoreError(
        f"{what} cannot be written below {folder}: {err}; nothing of it was kept; "
        "make room or mend the permissions, and run again."
    )


class _Crew:
    """Threads that take products from one queue, and hand over what became of them."""

    def __init__(self, work: _Work, waiting: deque[Product], size: int):
        self._work, self._waiting, self._left = work, waiting, len(waiting)
        self._done: SimpleQueue[Fetched | Failure | BaseException] = SimpleQueue()
        self._ahead = threading.Semaphore(size * AHEAD)
        self._threads = [
            threading.Thread(target=self._toil, name=f"download-{n}", daemon=True)
            for n in range(min(size, self._left))
        ]

    def outcomes(self) -> Iterator[Fetched | Failure]:
        """What became of each product; afterwards, however it ends, no thread is left."""
        for thread in self._threads:
            thread.start()
        try:
            while self._left:
                outcome = self._next()
                self._left -= 1
                self._ahead.release()
                if isinstance(outcome, BaseException):
                    raise outcome
                self._work.progress.add_file()
                yield outcome
        finally:
            self._disband()

    def _next(self) -> Fetched | Failure | BaseException:
        """The next outcome; progress is told while there is none."""
        while True:
            self._work.progress.tell()
            with suppress(Empty):
                return self._done.get(timeout=LIVE_S)

    def _toil(self) -> None:
        """Work until nothing is waiting."""
        halt = self._work.line.halt
        while True:
            self._ahead.acquire()
            try:
                product = self._waiting.popleft()
            except IndexError:
                return
            if halt.is_set():
                return
            try:
                self._done.put(self._work.outcome(product))
            except BaseException as err:  # raised again where the outcomes are asked for
                self._done.put(err)

    def _disband(self) -> None:
        """Stop the threads, wait for them, and remove what nobody takes any more."""
        self._work.halt()
        self._waiting.clear()
        for _ in self._threads:
            self._ahead.release()
        for thread in self._threads:
            thread.join()
        self._work.close()
        while not self._done.empty():
            outcome = self._done.get()
            if isinstance(outcome, Fetched):
                outcome.path.unlink(missing_ok=True)
