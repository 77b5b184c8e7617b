"""One GET of a file, or of its missing end; the bytes are hashed as they arrive."""

import errno
import hashlib
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ArchiveError, OversizedError, WithheldError
from jwmirror.core.files import BLOCK
from jwmirror.core.model import Product
from jwmirror.net import resume_record
from jwmirror.net.http import HttpClient, discard, error_words
from jwmirror.net.resume_record import ResumeRecord

NO_ACCESS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
ANSWERS_TO_RANGE = (
    *(HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT),
    *(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, HTTPStatus.PRECONDITION_FAILED),
)

LARGEST_UNLISTED = 1 << 34  # bytes of a file whose size is not known beforehand
LENGTH = "length in bytes (Content-Length)"
MAX_DIGITS = 18  # of a Content-Length

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DownloadRequest:
    """A file to download, and what is known of it beforehand."""

    filename: str
    url: str
    size: int | None = None  # bytes
    is_size_sure: bool = True  # a file of another size is a wrong one
    algorithm: str = "md5"  # of the checksum
    checksum: str | None = None  # hex
    is_exclusive: bool = False  # the token is shown at once
    release: str | None = None  # ISO, when it will not be withheld any more
    must_read: bool = True  # checked to be of the kind that its name says
    key: str | None = None  # name of the unfinished file; None: it is not kept
    version: str = ""  # of the file's content; an unfinished file of another one is not resumed

    @classmethod
    def of(cls, product: Product, url: str) -> Self:
        """Return the request for a product at a URL, with what MAST lists of it.

        MAST's size may be wrong for files of which it has no checksum.
        """
        return cls(
            filename=product.filename,
            url=url,
            size=product.size,
            is_size_sure=bool(product.checksum),
            checksum=product.checksum,
            is_exclusive=product.is_closed,
            release=product.release_date,
            key=resume_record.resume_key(product),
            version=product.fingerprint,
        )

    def limit(self, announced: int | None, folder: Path) -> int:
        """Return the most bytes that a body may have; `announced` is its Content-Length.

        It is the listed size, unless that is not sure and the server announces another one. Then,
        and where no size is known, a body may take half of the free space on the disk at most.
        """
        if self.size is not None and (self.is_size_sure or announced in (None, self.size)):
            return self.size
        room = min(LARGEST_UNLISTED, shutil.disk_usage(folder).free // 2)
        return room if announced is None else min(announced, room)

    def error(self, what: str, why: object, kept: str = "") -> ArchiveError:
        """Return the error if the file did not come; `kept` says how much of it is on disk."""
        return ArchiveError(
            f"{self.filename} from {urlsplit(self.url).netloc}: {what} ({error_words(why)}); {kept}"
            "it will be fetched again by the next run."
        )


@dataclass(frozen=True, kw_only=True)
class DownloadedFile:
    """A file that came over one request or, resumed, over several."""

    path: Path
    size: int  # bytes
    sha256: str
    checksum: str  # hex, by the algorithm of the request
    announced: str | None = None  # Content-Length of the whole, as sent
    encoding: str | None = None  # Content-Encoding, as sent
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

    def __post_init__(self) -> None:
        self.reset_hashes()

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
            self.check_size("size in bytes", self.size + len(piece), "more")
            file.write(piece)
        self._sha256.update(piece)
        if self.request.checksum:
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


def receive_file(client: HttpClient, state: DownloadState) -> DownloadedFile:
    """Request the missing end of a file, or all of it, and write it to disk.

    Raises ArchiveError where the server does not give it, and HTTPError where the body is cut.
    """
    request, record = state.request, state.read_record()
    response = _request_rest(client, state, record) if record else None
    resumed = response is not None and response.status == HTTPStatus.PARTIAL_CONTENT
    response = response or open_response(client, state)
    if state.needs_token:
        state.make_unresumable()
    length = response.headers.get("Content-Length")
    try:
        if record and resumed:
            log.info("%s: resumed at byte %d of %d", request.filename, _size(state), record.size)
            length, state.limit = str(record.size), record.size
            state.add_file()
        else:
            resume_record.remove_record(state.path)
            state.limit = request.limit(_content_length(response), state.path.parent)
            state.check_size(LENGTH, _content_length(response))
            _check_room(state.limit, state.path.parent)
            _write_record(client, state, response)
        with open(state.path, "ab" if resumed else "wb", opener=_open_private) as file:
            client.receive(response, lambda piece: state.add(piece, file))
    except BaseException:
        discard(response)
        raise
    response.release_conn()
    return state.result(length, response.headers.get("Content-Encoding"), resumed)


def _request_rest(
    client: HttpClient, state: DownloadState, record: ResumeRecord
) -> urllib3.BaseHTTPResponse | None:
    """Return a response with the missing bytes or, if the file changed, with all of them.

    None if the server offers neither.
    """
    start = _size(state)
    headers = {"Range": f"bytes={start}-", "If-Range": record.etag}
    response = open_response(client, state, headers)
    is_usable = response.status == HTTPStatus.OK or _is_rest(response, record, start)
    if is_usable and not state.needs_token:
        return response
    discard(response)
    log.info("%s: the server cannot resume it; fetched from its first byte", state.request.filename)
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


def open_response(
    client: HttpClient, state: DownloadState, headers: dict[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    """Return a server's response with a file or, for a Range in `headers`, about a part of it.

    The body is unread. The token is shown where the file is known to be withheld, or has just been
    refused, which the state records. Raises ArchiveError for any other status: WithheldError for
    401 and 403.
    """
    request, state.needs_token = state.request, False
    accepted = ANSWERS_TO_RANGE if headers else (HTTPStatus.OK,)
    shown = request.is_exclusive and client.has_token
    try:
        response = client.open(request.url, headers, show_token=shown)
        if response.status in NO_ACCESS and client.has_token and not shown:
            discard(response)
            shown = state.needs_token = True
            response = client.open(request.url, headers, show_token=True)
    except HTTPError as err:
        raise request.error("no answer", err) from err
    if response.status in accepted:
        return response
    discard(response)
    if response.status in NO_ACCESS:
        raise WithheldError(request.filename, response.status, request.release, shown)
    raise request.error(f"expected status 200, got {response.status}", response.reason or "")
