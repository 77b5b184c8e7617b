"""One file from a server: streamed to a fresh temporary name, checked, or set aside."""

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from jwmirror.archive.bodies import check_readable
from jwmirror.archive.wire import Line, dropped
from jwmirror.errors import ArchiveError, RejectedError, WithheldError

LONGEST_NAME = 150  # characters of a file's name kept in quarantine


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to download, and what is known of it beforehand."""

    filename: str
    url: str
    size: int | None = None  # bytes
    algorithm: str = "md5"  # of the checksum
    checksum: str | None = None  # hex
    is_withheld: bool = False  # the token has to be shown
    must_read: bool = True  # as the kind of file that its name says


@dataclass(frozen=True, kw_only=True)
class Body:
    """What came as the answer to one request."""

    path: Path
    size: int  # bytes
    sha256: str
    checksum: str  # hex, by the wanted algorithm
    announced: str | None  # Content-Length, as sent
    encoding: str | None  # Content-Encoding, as sent


def download(
    line: Line,
    wanted: Wanted,
    into: Path,
    quarantine: Path | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
    halt: threading.Event | None = None,
) -> Body:
    """Download a file into a temporary one in `into` that is left only if every check passes.

    A cut body is asked for again, and so is a wrong one unless the same bytes come twice; then
    they go to `quarantine` (if any). Raises ArchiveError: WithheldError, RejectedError...; and
    OSError when the disk refuses.
    """
    halt, seen = halt or threading.Event(), set()
    for left in reversed(range(line.patience.bodies)):
        path = _fresh(into)
        try:
            body = _receive(line, wanted, path, on_bytes, halt)
            check(wanted, body)
            return body
        except RejectedError as err:
            if not left or body.sha256 in seen:
                _set_aside(path, wanted.filename, body.sha256, str(err), quarantine)
                raise
            seen.add(body.sha256)
            path.unlink()
        except HTTPError as err:
            path.unlink()
            if not left:
                times = line.patience.bodies
                raise _failed(wanted, f"the body was cut {times} times", err) from err
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        halt.wait(line.patience.backoff_s)
    raise AssertionError("patience allows at least one body")


def check(wanted: Wanted, body: Body) -> None:
    """Raise RejectedError unless a body is what was wanted, whole and readable."""
    facts = [
        ("Content-Encoding", "identity", body.encoding or "identity"),
        ("length in bytes (Content-Length)", body.announced, str(body.size)),
        ("size in bytes (on disk)", body.size, body.path.stat().st_size),
        ("size in bytes (listing)", wanted.size, body.size),
        (f"{wanted.algorithm} (listing)", wanted.checksum, body.checksum),
    ]
    for what, expected, found in facts:
        if expected is not None and expected != found:
            raise RejectedError(wanted.filename, what, expected, found)
    if wanted.must_read:
        check_readable(body.path, wanted.filename)


def _receive(
    line: Line, wanted: Wanted, path: Path, on_bytes: Callable[[int], None], halt: threading.Event
) -> Body:
    response = answer(line, wanted)
    sha256 = hashlib.sha256()
    other = hashlib.new(wanted.algorithm, usedforsecurity=False)

    def take(piece: bytes) -> None:
        if halt.is_set():
            raise ArchiveError(f"{wanted.filename}: the download was given up; nothing was kept.")
        sha256.update(piece)
        if wanted.checksum:
            other.update(piece)
        on_bytes(len(piece))

    try:
        with open(path, "wb") as file:
            size = line.receive(response, file, take)
    except BaseException:
        dropped(response)
        raise
    response.release_conn()
    return Body(
        path=path,
        size=size,
        sha256=sha256.hexdigest(),
        checksum=other.hexdigest(),
        announced=response.headers.get("Content-Length"),
        encoding=response.headers.get("Content-Encoding"),
    )


def answer(line: Line, wanted: Wanted) -> urllib3.BaseHTTPResponse:
    """A server's 200 for a file, its body unread; other answers raise ArchiveError.

    The token is shown where the file is known to be withheld, or has just been refused.
    """
    try:
        response = line.open(wanted.url, show_token=wanted.is_withheld)
        if response.status in (401, 403) and line.has_token and not wanted.is_withheld:
            dropped(response)
            response = line.open(wanted.url, show_token=True)
    except HTTPError as err:
        raise _failed(wanted, "no answer", err) from err
    if response.status == HTTPStatus.OK:
        return response
    dropped(response)
    if response.status in (401, 403):
        raise WithheldError(wanted.filename, response.status)
    raise _failed(wanted, f"expected status 200, got {response.status}", response.reason or "")


def _failed(wanted: Wanted, what: str, why: object) -> ArchiveError:
    why = getattr(why, "reason", None) or why
    host = urlsplit(wanted.url).netloc
    return ArchiveError(
        f"{wanted.filename} from {host}: {what} ({why}); nothing of it was kept; "
        "it will be fetched again by the next run."
    )


def _fresh(folder: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    return Path(name)


def _set_aside(path: Path, filename: str, sha256: str, why: str, quarantine: Path | None) -> None:
    """Move a rejected file out of the way, with its reason beside it; without a place, drop it."""
    if quarantine is None:
        path.unlink()
        return
    quarantine.mkdir(parents=True, exist_ok=True)
    place = quarantine / f"{filename[:LONGEST_NAME]}.{sha256[:12]}.rejected"
    shutil.move(path, place)
    place.with_name(f"{place.name}.reason").write_text(f"{why}\n")
