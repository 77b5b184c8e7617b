"""One file from a server: streamed to a temporary name, checked, or set aside."""

import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from urllib3.exceptions import HTTPError

from jwmirror.archive import partials
from jwmirror.archive.attempts import Attempt, Body, Wanted, failed, receive
from jwmirror.archive.bodies import check_readable
from jwmirror.archive.wire import Line
from jwmirror.errors import ArchiveError, RejectedError

LONGEST_NAME = 150  # characters of a file's name kept in quarantine

log = logging.getLogger(__name__)


def download(
    line: Line,
    wanted: Wanted,
    into: Path,
    quarantine: Path | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
    halt: threading.Event | None = None,
) -> Body:
    """Download a file into one in `into` that is left only if every check passes.

    A cut body is resumed where that is safe, or asked for again; so is a wrong one, unless the
    same bytes come twice: then they go to `quarantine` (if any). What may be resumed later stays
    under the wanted key, with its record. Raises ArchiveError: WithheldError, RejectedError...;
    and OSError when the disk refuses.
    """
    halt, seen = halt or line.halt, set()
    if body := _found(wanted, into, on_bytes, halt):
        return body
    left = line.patience.bodies
    while True:
        left -= 1
        attempt = Attempt(wanted=wanted, path=_place(into, wanted), on_bytes=on_bytes, halt=halt)
        try:
            body = receive(line, attempt)
            check(wanted, body)
            partials.forget(body.path)
            return body
        except RejectedError as err:
            partials.forget(body.path)
            if not body.resumed and (left <= 0 or body.sha256 in seen):
                _set_aside(body.path, wanted.filename, body.sha256, str(err), quarantine)
                raise
            log.info("%s; it is fetched again from its first byte", _cause(err))
            seen.add(body.sha256)
            attempt.restart()
            body.path.unlink()
        except HTTPError as err:
            left_over = _leave(attempt)
            if left <= 0:
                times = line.patience.bodies
                raise failed(wanted, f"cut {times} times", err, left_over) from err
        except ArchiveError:
            _leave(attempt)
            raise
        except BaseException:
            partials.drop(attempt.path)
            raise
        halt.wait(line.patience.backoff_s)


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


# ---- what an earlier download left -----------------------------------------------------------


def _place(into: Path, wanted: Wanted) -> Path:
    """Where a file goes to: under its key, or under a fresh name; for its owner's eyes only."""
    if wanted.key:
        path = into / f"{wanted.key}{partials.PART}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return path
    handle, name = tempfile.mkstemp(dir=into, suffix=partials.PART)
    os.close(handle)
    return Path(name)


def _found(
    wanted: Wanted, into: Path, on_bytes: Callable[[int], None], halt: threading.Event
) -> Body | None:
    """The file as a killed run left it, if it is whole: every byte is hashed and checked anew."""
    if not wanted.key or not wanted.checksum:
        return None
    path = into / f"{wanted.key}{partials.PART}"
    with suppress(FileNotFoundError):
        if path.stat().st_size == wanted.size:
            attempt = Attempt(wanted=wanted, path=path, on_bytes=on_bytes, halt=halt)
            attempt.take_prefix()
            body = attempt.body()
            partials.forget(path)
            try:
                check(wanted, body)
                return body
            except RejectedError:
                attempt.restart()
                partials.drop(path)
    return None


def _leave(attempt: Attempt) -> str:
    """Leave bytes that may be resumed, and drop others; words for what is left."""
    kept = attempt.wanted.key and partials.recall(
        attempt.path, attempt.wanted.version, attempt.wanted.size
    )
    attempt.on_bytes(-attempt.size)
    if kept:
        return f"its first {attempt.path.stat().st_size} bytes are kept; "
    partials.drop(attempt.path)
    return "nothing of it was kept; "


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
    shutil.move(path, place)
    place.with_name(f"{place.name}.reason").write_text(f"{why}\n")
