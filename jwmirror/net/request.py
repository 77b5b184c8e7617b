"""One request for one file, or for the rest of it: asked, and its bytes hashed as they arrive."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ArchiveError, WithheldError
from jwmirror.core.files import BLOCK
from jwmirror.net import resume
from jwmirror.net.http import HttpClient, discard, error_words
from jwmirror.net.resume import ResumeRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DownloadRequest:
    """A file to download, and what is known of it beforehand."""

    filename: str
    url: str
    size: int | None = None  # bytes
    algorithm: str = "md5"  # of the checksum
    checksum: str | None = None  # hex
    is_withheld: bool = False  # the token has to be shown
    release: str | None = None  # ISO, when it will not be withheld any more
    must_read: bool = True  # as the kind of file that its name says
    key: str | None = None  # names what is left when the download does not end; None: nothing is
    version: str = ""  # which content of the file is meant; what is left of others is of no use


@dataclass(frozen=True, kw_only=True)
class DownloadedFile:
    """What came, over one request or, resumed, over several."""

    path: Path
    size: int  # bytes
    sha256: str
    checksum: str  # hex, by the wanted algorithm
    announced: str | None = None  # Content-Length of the whole, as sent
    encoding: str | None = None  # Content-Encoding, as sent
    resumed: bool = False  # some of it was left from an earlier request


@dataclass(kw_only=True)
class DownloadState:
    """The tries at one file: where it goes to, the hashes of its bytes, and who is told of them."""

    wanted: DownloadRequest
    path: Path
    on_bytes: Callable[[int], None]
    halt: threading.Event
    size: int = 0  # bytes in the hashes

    def __post_init__(self) -> None:
        self.has_leftover = self.has_record = bool(self.wanted.key) and self.path.exists()
        self.restart()

    def restart(self) -> None:
        """Forget what was hashed."""
        if self.size:
            self.on_bytes(-self.size)
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._other = hashlib.new(self.wanted.algorithm, usedforsecurity=False)

    def kept(self) -> ResumeRecord | None:
        """The record of what is on disk, if that can be resumed."""
        if not self.has_record:
            return None
        return resume.read_record(self.path, self.wanted.version, self.wanted.size)

    def remember(self, kept: ResumeRecord) -> None:
        """Leave a record that makes the file outlive its process."""
        self.has_record = True
        resume.write_record(self.path, kept)

    def forget(self) -> None:
        """Remove the record, if there is one."""
        if self.has_record:
            resume.remove_record(self.path)
            self.has_record = False

    def drop(self) -> None:
        """Remove what is on disk, and begin anew."""
        self.has_record = False
        resume.remove_partial(self.path)
        self.restart()

    def open(self, *, to_append: bool) -> BinaryIO:
        """The file, for its owner's eyes only."""
        return open(self.path, "ab" if to_append else "wb", opener=_private)

    def take(self, piece: bytes) -> None:
        """Count and hash the next bytes; ArchiveError when the download is given up."""
        if self.halt.is_set():
            raise ArchiveError(f"{self.wanted.filename}: the download was given up.")
        self._sha256.update(piece)
        if self.wanted.checksum:
            self._other.update(piece)
        self.size += len(piece)
        self.on_bytes(len(piece))

    def take_prefix(self) -> None:
        """Count and hash what is on disk already."""
        with open(self.path, "rb") as file:
            while piece := file.read(BLOCK):
                self.take(piece)

    def body(self, **facts: object) -> DownloadedFile:
        """What has come."""
        return DownloadedFile(
            path=self.path,
            size=self.size,
            sha256=self._sha256.hexdigest(),
            checksum=self._other.hexdigest(),
            **facts,
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def receive_file(line: HttpClient, attempt: DownloadState) -> DownloadedFile:
    """Ask for what is missing of a file, or for all of it, and take it."""
    wanted, path = attempt.wanted, attempt.path
    kept = attempt.kept()
    start = path.stat().st_size if kept else 0
    response = _answer_from(line, wanted, kept, start)
    resumed = response.status == HTTPStatus.PARTIAL_CONTENT
    try:
        if resumed:
            log.info("%s: resumed at byte %d of %d", wanted.filename, start, kept.size)
            attempt.take_prefix()
        else:
            attempt.forget()
            _remember(line, attempt, response)
        with attempt.open(to_append=resumed) as file:
            line.receive(response, file, attempt.take)
    except BaseException:
        discard(response)
        raise
    response.release_conn()
    length = response.headers.get("Content-Length")
    return attempt.body(
        announced=str(kept.size) if resumed else length,
        encoding=response.headers.get("Content-Encoding"),
        resumed=resumed,
    )


def _answer_from(
    line: HttpClient, wanted: DownloadRequest, kept: ResumeRecord | None, start: int
) -> urllib3.BaseHTTPResponse:
    """The answer to a request for the bytes from `start`, or for all where that is not safe."""
    if kept:
        response = open_response(line, wanted, {"Range": f"bytes={start}-", "If-Range": kept.etag})
        if response.status == HTTPStatus.OK or _is_rest(response, kept, start):
            return response
        discard(response)
        log.info("%s: the server cannot resume it; fetched from its first byte", wanted.filename)
    response = open_response(line, wanted)
    if response.status != HTTPStatus.OK:
        discard(response)
        raise download_error(
            wanted, f"expected status 200, got {response.status}", response.reason or ""
        )
    return response


def _remember(line: HttpClient, attempt: DownloadState, response: urllib3.BaseHTTPResponse) -> None:
    """Leave a record beside the file to come, if it is worth resuming and that will be safe."""
    wanted, length = attempt.wanted, response.headers.get("Content-Length", "")
    etag = response.headers.get("ETag")
    size = int(length) if length.isascii() and length.isdigit() else 0
    if not wanted.key or size < line.patience.keep_from or not resume.is_strong(etag):
        return
    if wanted.size in (None, size):
        attempt.remember(ResumeRecord(version=wanted.version, etag=etag, size=size))


def open_response(
    line: HttpClient, wanted: DownloadRequest, headers: dict[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    """A server's answer with (some of) a file, its body unread; others raise ArchiveError.

    The token is shown where the file is known to be withheld, or has just been refused.
    """
    taken = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
    if headers:  # what only a request for a part is answered with
        taken += (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, HTTPStatus.PRECONDITION_FAILED)
    shown = wanted.is_withheld and line.has_token
    try:
        response = line.open(wanted.url, headers, show_token=shown)
        if response.status in (401, 403) and line.has_token and not shown:
            discard(response)
            shown = True
            response = line.open(wanted.url, headers, show_token=True)
    except HTTPError as err:
        raise download_error(wanted, "no answer", err) from err
    if response.status in taken:
        return response
    discard(response)
    if response.status in (401, 403):
        raise WithheldError(wanted.filename, response.status, wanted.release, shown)
    raise download_error(
        wanted, f"expected status 200, got {response.status}", response.reason or ""
    )


def download_error(wanted: DownloadRequest, what: str, why: object, left: str = "") -> ArchiveError:
    """The error of a file that did not come; `left` says what there is of it."""
    host = urlsplit(wanted.url).netloc
    return ArchiveError(
        f"{wanted.filename} from {host}: {what} ({error_words(why)}); {left}"
        "it will be fetched again by the next run."
    )


def _is_rest(response: urllib3.BaseHTTPResponse, kept: ResumeRecord, start: int) -> bool:
    """Whether a 206 holds just the bytes from `start` to the end, of the very same version."""
    expected = f"bytes {start}-{kept.size - 1}/{kept.size}"
    return (
        response.headers.get("Content-Range") == expected
        and response.headers.get("ETag") == kept.etag
        and response.headers.get("Content-Length") in (None, str(kept.size - start))
        and response.headers.get("Content-Encoding") in (None, "identity")
    )
