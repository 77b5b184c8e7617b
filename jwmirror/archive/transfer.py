"""Downloads of products over several connections: one queue, each file whole and verified."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jwmirror.archive.downloads import Wanted, download
from jwmirror.archive.wire import Line, Patience, base_of
from jwmirror.errors import ArchiveError, StoreError
from jwmirror.records import Failure, Product

DOWNLOAD = "/api/v0.1/Download/file"
REPORT_S = 5.0  # between two lines of progress in the log
AHEAD = 4  # per connection: files under way, or finished and not yet taken by the caller

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A product's bytes, whole and verified, in a temporary file that the caller now owns."""

    product: Product
    path: Path
    sha256: str
    size: int  # bytes


def wanted(product: Product, url: str) -> Wanted:
    """How to ask the MAST server at `url` for a product, and what has to come."""
    return Wanted(
        filename=product.filename,
        url=f"{url}{DOWNLOAD}?uri={quote(product.uri, safe=':/')}",
        size=product.size,
        checksum=product.checksum,
        is_withheld=product.exclusive,
    )


class Transfer:
    """Downloads from one MAST server, over at most `downloads` connections at a time.

    The token is shown to that server only, and only for files that are withheld without it.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        downloads: int = 8,
        patience: Patience | None = None,
    ):
        self._url = base_of(url)
        self._downloads = downloads
        self._line = Line(downloads, patience or Patience(), token)

    def fetch(
        self, products: Iterable[Product], into: Path, quarantine: Path
    ) -> Iterator[Fetched | Failure]:
        """Download products; yield each as it completes, or the failure it came to.

        A file in `into` is the caller's once it is yielded; of others nothing is left. A body that
        is not right goes to `quarantine`, with its reason beside it. Raises StoreError when the
        disk refuses.
        """
        try:
            into.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise _refused(into.name, into.parent, err) from err
        waiting, running = deque(products), set()
        halt, progress = threading.Event(), Progress(len(waiting))
        with ThreadPoolExecutor(self._downloads, thread_name_prefix="download") as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < self._downloads * AHEAD:
                        task = (waiting.popleft(), into, quarantine, progress, halt)
                        running.add(pool.submit(self._outcome, *task))
                    done, _ = wait(running, REPORT_S, FIRST_COMPLETED)
                    progress.tell()
                    for future in done:
                        outcome = future.result()
                        running.discard(future)
                        progress.files += 1
                        yield outcome
            finally:
                halt.set()
                _abandon(running)
                self._line.close()
        progress.conclude()

    def _outcome(
        self,
        product: Product,
        into: Path,
        quarantine: Path,
        progress: "Progress",
        halt: threading.Event,
    ) -> Fetched | Failure:
        try:
            body = download(
                self._line, wanted(product, self._url), into, quarantine, progress.add, halt
            )
        except ArchiveError as err:
            log.warning("%s", err)
            return Failure(name=product.filename, message=str(err))
        except OSError as err:
            raise _refused(product.filename, into, err) from err
        return Fetched(product=product, path=body.path, sha256=body.sha256, size=body.size)


def _refused(what: str, folder: Path, err: OSError) -> StoreError:
    return StoreError(
        f"{what} cannot be written below {folder}: {err}; nothing of it was kept; "
        "make room or mend the permissions, and run again."
    )


def _abandon(running: Iterable[Future[Fetched | Failure]]) -> None:
    """Wait for downloads that nobody wants any more, and remove what they leave."""
    for future in running:
        if not future.cancel() and future.exception() is None:
            outcome = future.result()
            if isinstance(outcome, Fetched):
                outcome.path.unlink(missing_ok=True)


class Progress:
    """How far the downloads are, told in the log every few seconds."""

    def __init__(self, total: int):
        self.total, self.files = total, 0
        self._bytes, self._began = 0, time.monotonic()
        self._told = self._began
        self._counting = threading.Lock()

    def add(self, count: int) -> None:
        """Count bytes that any thread received."""
        with self._counting:
            self._bytes += count

    def tell(self) -> None:
        """Write a line to the log, if the last one is some seconds old."""
        if time.monotonic() - self._told >= REPORT_S:
            self._told = time.monotonic()
            log.info("%s", self)

    def conclude(self) -> None:
        """Write the last line."""
        log.info("%s", self)

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        return (
            f"downloaded {self.files} of {self.total} files, {self._bytes / 1e6:.1f} MB, "
            f"{self._bytes / 1e6 / seconds:.1f} MB/s"
        )
