"""Downloads of products over several connections, each file whole and verified."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TextIO
from urllib.parse import quote

from msgspec import structs
from urllib3.exceptions import HTTPError

from jwmirror.archive.cloud import CloudCopy
from jwmirror.core.errors import (
    ArchiveError,
    MaintenanceError,
    RejectedError,
    StoreError,
    WithheldError,
    plain_text,
)
from jwmirror.core.matching import name_test
from jwmirror.core.model import Failure, Product
from jwmirror.net.download import download
from jwmirror.net.http import TOKEN_VARIABLE, HttpClient, Timeouts, base_url, discard, read_head
from jwmirror.net.progress import Progress, terminal
from jwmirror.net.request import DownloadRequest
from jwmirror.net.web_pages import HEAD

DOWNLOAD = "/api/v0.1/Download/file"
AHEAD = 16  # per connection: files under way, or finished and not yet taken by the caller
NEEDS_TOKEN = (
    "%s: MAST lists it as public, and gave it only with the token; it is treated as exclusive "
    "until MAST gives it without"
)
STARTS = {"fits": b"SIMPLE  =", "ecsv": b"# %ECSV", "jpg": b"\xff\xd8"}  # first bytes of files
ASSOCIATION = b'"asn_'  # among the first bytes of an association
ACCEPTED = (
    "%s: MAST lists MD5 %s and sent %s; it is taken as it is, because archive.accept_refused in "
    "the config names it"
)
GIVE_UP = 16  # files in a row in whose place a web page came
IN_MAINTENANCE = (
    f"MAST is in maintenance: it answered the last {GIVE_UP} requests for files with web pages; "
    "this file was not requested; the next run requests it."
)
POLL_S = 0.2  # between two looks at the progress

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A product's bytes, whole and verified, in a temporary file that the caller now owns."""

    product: Product
    path: Path
    sha256: str
    size: int  # bytes
    md5: str = ""
    etag: str = ""  # MAST's; "" of a file that came from elsewhere


def download_request(product: Product, url: str) -> DownloadRequest:
    """Return the request for a product to the MAST server at `url`, with what is expected."""
    return DownloadRequest.of(product, f"{url}{DOWNLOAD}?uri={quote(product.uri, safe=':/')}")


def progress_of(products: Collection[Product], screen: TextIO | None = None) -> Progress:
    """Return counts for the download of products; `screen`: a terminal that shows them."""
    return Progress(len(products), sum(product.size or 0 for product in products), screen)


class MastDownloader:
    """Downloads from one MAST server, over at most `downloads` connections at a time.

    The token is shown to that server only, and only for files that are withheld without it. Files
    in the public copy at `cloud_url` are taken from there.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        downloads: int = 8,
        timeouts: Timeouts | None = None,
        cloud_url: str | None = None,
        token_variable: str = TOKEN_VARIABLE,
        accept_refused: Sequence[str] = (),
    ):
        self._url, self._cloud_url = base_url(url), cloud_url
        self._token, self._token_variable = token, token_variable
        self._connections, self._timeouts = downloads, timeouts or Timeouts()
        self._is_accepted = name_test(accept_refused)

    def download(
        self,
        products: Iterable[Product],
        folder: Path,
        quarantine: Path,
        progress: Progress | None = None,
    ) -> Iterator[Downloaded | Failure]:
        """Download products into `folder`; yield each when it is complete, or its failure.

        `progress` counts files and bytes; without it, a terminal shows them.

        The caller owns a file once it is yielded; of other files only those that may be resumed
        are left. A wrong file goes to `quarantine`, with the reason beside it. No other fetch may
        use `folder`. Raises StoreError when the disk refuses.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise _disk_error(folder.name, folder.parent, err) from err
        products = tuple(dict.fromkeys(products))
        progress = progress or progress_of(products, terminal())
        once = replace(self._timeouts, attempts=2, bodies=1)  # MAST has what the cloud does not
        client = HttpClient(
            self._connections, self._timeouts, self._token, token_variable=self._token_variable
        )
        cloud = None
        if self._cloud_url:
            cloud = CloudCopy(self._cloud_url, self._connections, once, client.halt)
        with progress:
            folders = (folder, quarantine)
            work = _Work(client, self._url, cloud, folders, progress, self._is_accepted)
            yield from _Workers(work, deque(products), self._connections).outcomes()
        if cloud:
            log.info("%d of %d files came from the cloud copy", cloud.downloaded, len(products))


@dataclass(frozen=True)
class _Work:
    """Clients, folders and progress that the downloads of one fetch share."""

    client: HttpClient
    url: str
    cloud: CloudCopy | None
    folders: tuple[Path, Path]  # for the files under way, and for wrong ones
    progress: Progress
    is_accepted: Callable[[str], bool]  # by file name: taken as MAST sends it
    rejected: threading.Event = field(default_factory=threading.Event)  # the token, once
    pages: deque[bool] = field(default_factory=lambda: deque(maxlen=GIVE_UP))  # lately, in a row

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        if self.cloud:
            self.cloud.http.close()

    def outcome(self, product: Product) -> Downloaded | Failure:
        """Download one product; StoreError when the disk refuses.

        In maintenance nothing more is requested.
        """
        pages = self.pages.copy()
        if len(pages) == GIVE_UP and all(pages):
            return Failure(name=product.filename, message=IN_MAINTENANCE)
        try:
            where = (*self.folders, self.progress.add)
            is_accepted = self.is_accepted(product.filename)
            file = None if is_accepted or not self.cloud else self.cloud.download(product, *where)
            etag = ""
            if file is None:
                request = download_request(product, self.url)
                file = download(self.client, request.accepted() if is_accepted else request, *where)
                etag = file.etag
        except ArchiveError as err:
            self.pages.append(isinstance(err, MaintenanceError))
            if not self.client.halt.is_set():
                is_repeated = _is_withheld(err) and self.rejected.is_set()
                log.log(logging.INFO if is_repeated else logging.WARNING, "%s", err)
            if _is_withheld(err):
                self.rejected.set()
            return _failure(product, err)
        except OSError as err:
            raise _disk_error(product.filename, self.folders[0], err) from err
        self.pages.append(False)
        if is_accepted and product.checksum not in (None, file.checksum):
            log.warning(ACCEPTED, product.filename, product.checksum, file.checksum)
        if file.needs_token:
            log.warning(NEEDS_TOKEN, product.filename)
            product = structs.replace(product, needs_token=True)
        return Downloaded(
            product=product,
            path=file.path,
            sha256=file.sha256,
            size=file.size,
            md5=file.checksum,
            etag=etag,
        )


def withheld_without_token(
    products: Collection[Product], url: str, downloads: int, timeouts: Timeouts | None = None
) -> set[str]:
    """Return the URIs of those products that MAST does not give without a token."""
    client = HttpClient(downloads, timeouts or Timeouts())

    def is_given(product: Product) -> bool:
        try:
            return _is_given(client, product, base_url(url))
        except HTTPError:
            return False

    with ThreadPoolExecutor(downloads, thread_name_prefix="access") as pool:
        given = list(pool.map(is_given, products))
    client.close()
    return {product.uri for product, yes in zip(products, given, strict=True) if not yes}


def _is_given(client: HttpClient, product: Product, url: str) -> bool:
    """Return whether MAST answers with the file itself, as far as its first bytes show.

    Another answer with status 200, as in maintenance, must not open a file to everybody.
    """
    response = client.open(download_request(product, url).url)
    head = read_head(response, HEAD) if response.status == HTTPStatus.OK else b""
    discard(response)
    kind = product.filename.rpartition(".")[2]
    if kind == "json":
        return ASSOCIATION in head
    is_page = head.lstrip().startswith((b"<", b"{"))
    return bool(head) and not is_page and head.startswith(STARTS.get(kind, b""))


def _disk_error(what: str, folder: Path, err: OSError) -> StoreError:
    return StoreError(
        f"{what} cannot be written below {folder}: {plain_text(err)}; nothing of it was kept; "
        "make room or correct the permissions, and run again."
    )


def _is_withheld(err: ArchiveError) -> bool:
    """Return whether MAST rejected the token that was shown."""
    return isinstance(err, WithheldError) and err.is_token_shown


def _failure(product: Product, err: ArchiveError) -> Failure:
    failure = Failure(name=product.filename, message=str(err), is_withheld=_is_withheld(err))
    if not isinstance(err, RejectedError):
        return failure
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return structs.replace(failure, refused=product.fingerprint, at=now)


class _Workers:
    """Threads that download the products of one queue.

    They are daemons, so that a second Ctrl-C ends the process while a server is silent; an
    executor of concurrent.futures would wait for its threads at the end of the process.
    """

    def __init__(self, work: _Work, queue: deque[Product], connections: int):
        self._work, self._queue, self._remaining = work, queue, len(queue)
        self._outcomes: SimpleQueue[Downloaded | Failure | BaseException] = SimpleQueue()
        self._ahead = threading.Semaphore(connections * AHEAD)
        self._threads = [
            threading.Thread(target=self._run, name=f"download-{number}", daemon=True)
            for number in range(min(connections, self._remaining))
        ]

    def outcomes(self) -> Iterator[Downloaded | Failure]:
        """Yield the outcome of each product; at the end, also after an error, no thread is left."""
        for thread in self._threads:
            thread.start()
        try:
            while self._remaining:
                outcome = self._next_outcome()
                self._remaining -= 1
                self._ahead.release()
                if isinstance(outcome, BaseException):
                    raise outcome
                self._work.progress.add_file()
                yield outcome
        finally:
            self._stop()

    def _next_outcome(self) -> Downloaded | Failure | BaseException:
        """Wait for the next outcome, and log the progress meanwhile."""
        while True:
            self._work.progress.log_if_due()
            with suppress(Empty):
                return self._outcomes.get(timeout=POLL_S)

    def _run(self) -> None:
        """Download until the queue is empty."""
        halt = self._work.client.halt
        while True:
            self._ahead.acquire()
            try:
                product = self._queue.popleft()
            except IndexError:
                return
            if halt.is_set():
                return
            try:
                self._outcomes.put(self._work.outcome(product))
            except BaseException as err:  # raised again by `outcomes`
                self._outcomes.put(err)

    def _stop(self) -> None:
        """Stop the threads, wait for them, and remove files that the caller did not take."""
        self._work.client.halt.set()
        self._queue.clear()
        for _ in self._threads:
            self._ahead.release()
        for thread in self._threads:
            thread.join()
        self._work.close()
        while not self._outcomes.empty():
            outcome = self._outcomes.get()
            if isinstance(outcome, Downloaded):
                outcome.path.unlink(missing_ok=True)
