"""One file from a server: streamed to a temporary name, checked, or set aside."""

import logging
import re
import shutil
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ArchiveError, RejectedError
from jwmirror.net import resume
from jwmirror.net.http import HttpClient
from jwmirror.net.integrity import check_readable
from jwmirror.net.request import (
    DownloadedFile,
    DownloadRequest,
    DownloadState,
    download_error,
    receive_file,
)

LONGEST_NAME = 150  # characters of a file's name kept in quarantine

log = logging.getLogger(__name__)


def download(
    line: HttpClient,
    wanted: DownloadRequest,
    into: Path,
    quarantine: Path | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
    halt: threading.Event | None = None,
) -> DownloadedFile:
    """Download a file into one in `into` that is left only if every check passes.

    A cut body is resumed where that is safe, or asked for again; so is a wrong one, unless the
    same bytes come twice: then they go to `quarantine` (if any). What may be resumed later stays
    under the wanted key, with its record. Raises ArchiveError: WithheldError, RejectedError...;
    and OSError when the disk refuses.
    """
    halt, seen = halt or line.halt, set()
    attempt = DownloadState(wanted=wanted, path=_place(into, wanted), on_bytes=on_bytes, halt=halt)
    if body := _found(attempt):
        return body
    for left in reversed(range(line.patience.bodies)):
        try:
            body = receive_file(line, attempt)
            check(wanted, body)
            attempt.forget()
            return body
        except RejectedError as err:
            if not body.resumed and (not left or body.sha256 in seen):
                attempt.forget()
                _set_aside(body.path, wanted.filename, body.sha256, str(err), quarantine)
                raise
            log.info("%s; it is fetched again from its first byte", _cause(err))
            seen.add(body.sha256)
            attempt.drop()
        except HTTPError as err:
            left_over = _leave(attempt)
            if not left:
                times = line.patience.bodies
                raise download_error(wanted, f"cut {times} times", err, left_over) from err
        except ArchiveError:
            _leave(attempt)
            raise
        except BaseException:
            attempt.drop()
            raise
        halt.wait(line.patience.backoff_s)
    raise download_error(wanted, "cut again and again", "what had come did not fit together")


def check(wanted: DownloadRequest, body: DownloadedFile) -> None:
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


# ---- what an earlier download left -----------------------------------------------------------


def _place(into: Path, wanted: DownloadRequest) -> Path:
    """Where a file goes to: under its key, so that it can be found again, or under a fresh name."""
    return into / f"{wanted.key or uuid.uuid4().hex}{resume.PART_SUFFIX}"


def _found(attempt: DownloadState) -> DownloadedFile | None:
    """The file as a killed run left it, if it is whole: every byte is hashed and checked anew."""
    wanted = attempt.wanted
    if not attempt.has_leftover or not wanted.checksum:
        return None
    if attempt.path.stat().st_size != wanted.size:
        return None
    attempt.take_prefix()
    body = attempt.body()
    try:
        check(wanted, body)
    except RejectedError:
        attempt.drop()
        return None
    attempt.forget()
    return body


def _leave(attempt: DownloadState) -> str:
    """Leave bytes that may be resumed, and drop others; words for what is left."""
    if not attempt.kept():
        attempt.drop()
        return "nothing of it was kept; "
    attempt.restart()
    return f"its first {attempt.path.stat().st_size} bytes are kept; "


def _cause(err: RejectedError) -> str:
    return f"{err.what} of {err.filename}: expected {err.expected}, got {err.found}"


def _set_aside(path: Path, filename: str, sha256: str, why: str, quarantine: Path | None) -> None:
    """Move a rejected file out of the way, with its reason beside it; without a place, drop it."""
    if quarantine is None:
        path.unlink()
        return
    quarantine.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.+-]", "_", filename)[:LONGEST_NAME].lstrip(".")  # it stays in there
    place = quarantine / f"{name}.{sha256[:12]}.rejected"
    path.chmod(0o600)  # it may be of an exclusive product
    shutil.move(path, place)
    place.with_name(f"{place.name}.reason").write_text(f"{why}\n")
