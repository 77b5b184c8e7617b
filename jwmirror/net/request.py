"""One GET of a file, or of its missing end; the bytes are hashed as they arrive."""

import errno
import hashlib
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ArchiveError, MaintenanceError, OversizedError, WithheldError
from jwmirror.core.files import BLOCK
from jwmirror.core.model import Product
from jwmirror.core.model.product import NO_RELEASE
from jwmirror.net import resume_record
from jwmirror.net.http import (
    RETRIED,
    HttpClient,
    answering_url,
    discard,
    error_words,
    failing_host,
    read_head,
)
from jwmirror.net.resume_record import ResumeRecord
from jwmirror.net.web_pages import HEAD, WITH_PAGES, page_title

NO_ACCESS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
LARGEST_UNLISTED = 1 << 34  # bytes of a file whose size is not known beforehand
SIZE = "size in bytes"
MAX_DIGITS = 18  # of a Content-Length

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DownloadRequest:
    """A file to download, and what is known of it beforehand."""

    filename: str
    url: str
    size: int | None = None  # bytes
    is_size_sure: bool = True  # a file of another size is a wrong one, whatever its checksum
    algorithm: str = "md5"  # of the checksum
    checksum: str | None = None  # hex
    server: str = "MAST"  # in messages
    is_exclusive: bool = False  # the token is shown at once
    until: str = NO_RELEASE  # when it will not be withheld any more, in words
    must_read: bool = True  # checked to be of the kind that its name says
    may_be_empty: bool = True  # where that is not checked
    key: str | None = None  # name of the unfinished file; None: it is not kept
    version: str = ""  # of the file's content; an unfinished file of another one is not resumed

    @classmethod
    def of(cls, product: Product, url: str) -> Self:
        """Return the request for a product at a URL, with what MAST lists of it.

        MAST's size may be wrong, so that it does not refuse a file with the right checksum.
        """
        return cls(
            filename=product.filename,
            url=url,
            size=product.size,
            is_size_sure=False,
            checksum=product.checksum,
            is_exclusive=product.is_closed,
            until=product.withheld_until,
            key=resume_record.resume_key(product),
            version=product.fingerprint,
        )

    def accepted(self) -> Self:
        """Return the request for the same file, of whatever size and content, but no web page."""
        return replace(
            self, size=None, is_size_sure=False, checksum=None, must_read=False, may_be_empty=False
        )

    @property
    def shows_its_end(self) -> bool:
        """True if a cut file of this kind cannot be read."""
        return self.must_read and self.filename.endswith((".json", ".fits"))

    def limit(self, announced: int | None, folder: Path) -> int:
        """Return the most bytes that a body may have; `announced` is its Content-Length.

        It is the listed size, unless that is not sure, and the server announces another one, or
        none for a file without a checksum that shows its own end. Then, and where no size is known,
        a body may take half of the free space on the disk at most. So a body that is larger than
        listed is received whole before its checksum refuses it: MAST's sizes may be wrong, and a
        right file must not be refused for that.
        """
        is_needed = announced is None and bool(self.checksum or not self.shows_its_end)
        is_fixed = self.is_size_sure or announced == self.size or is_needed
        if self.size is not None and is_fixed:
            return self.size
        room = min(LARGEST_UNLISTED, shutil.disk_usage(folder).free // 2)
        return room if announced is None else min(announced, room)


@dataclass(frozen=True, kw_only=True)
class DownloadedFile:
    """A file that came over one request or, resumed, over several."""

    path: Path
    size: int  # bytes
    sha256: str
    checksum: str  # hex, by the algorithm of the request
    announced: str | None = None  # Content-Length of the whole, as sent
    encoding: str | None = None  # Content-Encoding, as sent
    etag: str = ""  # as sent
    resumed: bool = False  # some of it is from an earlier request
    needs_token: bool = False  # the request without the token was refused


@dataclass(kw_only=True)
class DownloadState:
    """The state of one download through all its requests: file on disk, hashes, resume record."""

    request: DownloadRequest
    path: Path
    on_bytes: Callable[[int], None]
    halt: threading.Event
    size: int = 0  # bytes in the hashes
    limit: int = 0  # bytes that the file may have
    needs_token: bool = False  # the last request was refused until the token was shown
    host: str = ""  # that answered the last request, after redirects
    resumed_at: int | None = None  # bytes on disk before the last request, which was for the rest

    def __post_init__(self) -> None:
        self.host = urlsplit(self.request.url).netloc
        self.reset_hashes()

    def error(self, what: str, why: object, kept: str = "") -> ArchiveError:
        """Return the error if the file did not come; `kept` says how much of it is on disk."""
        return ArchiveError(
            f"{self.request.filename} from {self.host}: {what} ({error_words(why)}); {kept}it will "
            "be fetched again by the next run."
        )

    def reset_hashes(self) -> None:
        """Start hashing and counting at the first byte again."""
        if self.size:
            self.on_bytes(-self.size)
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._checksum = hashlib.new(self.request.algorithm, usedforsecurity=False)

    def make_unresumable(self) -> None:
        """Continue with an empty file of a name that no other fetch takes over.

        It would not know that the file was listed as public and came only with the token.
        """
        self.remove_file()
        self.path = self.path.with_stem(uuid.uuid4().hex)

    def read_record(self) -> ResumeRecord | None:
        """Return the record of the file on disk if it can be resumed."""
        return resume_record.read_record(self.path, self.request.version, self.request.size)

    def remove_file(self) -> None:
        """Remove the file and its record, so that the next request starts at the first byte."""
        resume_record.remove_partial(self.path)
        self.reset_hashes()

    def add(self, piece: bytes, file: BinaryIO | None = None) -> None:
        """Write the next bytes to `file`, hash and count them.

        Raises OversizedError at the first byte too many, before any more are written, and
        ArchiveError if the download was stopped.
        """
        if self.halt.is_set():
            raise ArchiveError(f"{self.request.filename}: the download was given up.")
        if file:
            self.check_size(SIZE, self.size + len(piece), "more")
            file.write(piece)
        self._sha256.update(piece)
        self._checksum.update(piece)
        self.size += len(piece)
        self.on_bytes(len(piece))

    def check_size(self, what: str, size: int | None, found: str = "") -> None:
        """Raise OversizedError if a size is known, and larger than the file may be."""
        if size is not None and size > self.limit:
            expected = f"at most {self.limit}"
            raise OversizedError(self.request.filename, what, expected, found or size)

    def add_file(self) -> None:
        """Hash and count the bytes that are on disk already."""
        with open(self.path, "rb") as file:
            while piece := file.read(BLOCK):
                self.add(piece)

    def result(
        self, announced: str | None = None, encoding: str | None = None, resumed: bool = False
    ) -> DownloadedFile:
        """Return the file with its hashes."""
        return DownloadedFile(
            path=self.path,
            size=self.size,
            sha256=self._sha256.hexdigest(),
            checksum=self._checksum.hexdigest(),
            announced=announced,
            encoding=encoding,
            resumed=resumed,
            needs_token=self.needs_token,
        )


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


@dataclass(frozen=True)
class OpenedFile:
    """A server's response, and the first bytes of its body, which begin a file or a web page."""

    response: urllib3.BaseHTTPResponse
    head: bytes = b""

    @property
    def page(self) -> str | None:
        """The title of the web page that came in place of the file; None if none did."""
        return page_title(self.response.status, self.head)


def receive_file(client: HttpClient, state: DownloadState) -> DownloadedFile:
    """Request the missing end of a file, or all of it, and write it to disk.

    Raises ArchiveError where the server does not give it, and HTTPError where the body is cut.
    """
    request, record = state.request, state.read_record()
    opened = _request_rest(client, state, record) if record else None
    resumed = opened is not None and opened.response.status == HTTPStatus.PARTIAL_CONTENT
    opened = opened or request_whole(client, state)
    response = opened.response
    if state.needs_token:
        state.make_unresumable()
    length = response.headers.get("Content-Length")
    state.resumed_at = _size(state) if resumed else None
    try:
        if record and resumed:
            log.info("%s: resumed at byte %d of %d", request.filename, _size(state), record.size)
            length, state.limit = str(record.size), record.size
            state.add_file()
        else:
            resume_record.remove_record(state.path)
            state.limit = request.limit(_content_length(response), state.path.parent)
            state.check_size("announced size in bytes (Content-Length)", _content_length(response))
            _check_room(state.limit, state.path.parent)
            _write_record(client, state, response)
        with open(state.path, "ab" if resumed else "wb", opener=_open_private) as file:
            if opened.head:
                state.add(opened.head, file)
            client.receive(response, lambda piece: state.add(piece, file))
    except BaseException:
        discard(response)
        raise
    response.release_conn()
    received = state.result(length, response.headers.get("Content-Encoding"), resumed)
    return replace(received, etag=response.headers.get("ETag", ""))


def _request_rest(
    client: HttpClient, state: DownloadState, record: ResumeRecord
) -> OpenedFile | None:
    """Return a response with the missing bytes or, if the file changed, with all of them.

    None if the server offers neither: the file has to be requested from its first byte. Then what
    is on disk is removed, unless the server was only too busy. An answer to a Range does not show
    whether the file is withheld.
    """
    start, request = _size(state), state.request
    headers = {"Range": f"bytes={start}-", "If-Range": record.etag}
    opened = _answer(client, state, headers, show_token=request.is_exclusive)
    status = opened.response.status
    if (status == HTTPStatus.OK and not opened.page) or _is_rest(opened.response, record, start):
        return opened
    discard(opened.response)
    if status not in RETRIED:
        state.remove_file()
    words = "%s: the server cannot resume it (status %d); it is fetched from its first byte"
    log.info(words, request.filename, status)
    return None


def _content_length(response: urllib3.BaseHTTPResponse) -> int | None:
    """Return the Content-Length of a response; None without one that is a number."""
    text = response.headers.get("Content-Length", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_number else None


def _check_room(size: int, folder: Path) -> None:
    """Raise OSError if a file cannot fit on the disk, before it fills the disk."""
    if size > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _size(state: DownloadState) -> int:
    return state.path.stat().st_size


def _is_rest(response: urllib3.BaseHTTPResponse, record: ResumeRecord, start: int) -> bool:
    """Return whether a 206 has just the bytes from `start` to the end, of the very same version."""
    expected = f"bytes {start}-{record.size - 1}/{record.size}"
    return (
        response.headers.get("Content-Range") == expected
        and response.headers.get("ETag") == record.etag
        and response.headers.get("Content-Length") in (None, str(record.size - start))
        and response.headers.get("Content-Encoding") in (None, "identity")
    )


def _write_record(
    client: HttpClient, state: DownloadState, response: urllib3.BaseHTTPResponse
) -> None:
    """Write a resume record before the file, if that is safe and the file is large enough."""
    request, size = state.request, _content_length(response) or 0
    etag = response.headers.get("ETag")
    if not request.key or state.needs_token or not resume_record.is_strong(etag):
        return
    if size < client.timeouts.keep_from:
        return
    if request.size in (None, size):
        record = ResumeRecord(version=request.version, etag=etag, size=size)
        resume_record.write_record(state.path, record)


def request_whole(client: HttpClient, state: DownloadState) -> OpenedFile:
    """Return a server's response with a file, of whose body the head is read.

    The token is shown where the file is known to be withheld, or has just been refused, which the
    state records. Raises ArchiveError for any status but 200, and for a web page: WithheldError for
    401 and 403, MaintenanceError for a page.
    """
    request, state.needs_token = state.request, False
    shown = request.is_exclusive and client.has_token
    opened = _answer(client, state, show_token=shown)
    if opened.response.status in NO_ACCESS and client.has_token and not shown:
        discard(opened.response)
        shown = state.needs_token = True
        opened = _answer(client, state, show_token=True)
    response = opened.response
    if response.status == HTTPStatus.OK and not opened.page:
        return opened
    discard(response)
    if opened.page:
        status, title = response.status, opened.page
        raise MaintenanceError(request.filename, request.server, state.host, status, title)
    if response.status in NO_ACCESS:
        facts = (state.host, response.status, request.until)
        raise WithheldError(request.filename, *facts, client.token_variable, shown)
    raise state.error(f"expected status 200, got {response.status}", response.reason or "")


def _answer(
    client: HttpClient,
    state: DownloadState,
    headers: dict[str, str] | None = None,
    show_token: bool = False,
) -> OpenedFile:
    """Return a server's response of any status; ArchiveError without one."""
    url = state.request.url
    try:
        response = client.open(url, headers, show_token=show_token)
    except HTTPError as err:
        state.host = failing_host(url, err)
        raise state.error("no answer", err) from err
    state.host = urlsplit(answering_url(url, response)).netloc
    if response.status not in WITH_PAGES:
        return OpenedFile(response)
    try:
        return OpenedFile(response, read_head(response, HEAD))
    except HTTPError:
        discard(response)
        if response.status == HTTPStatus.OK:
            raise
        return OpenedFile(response)
