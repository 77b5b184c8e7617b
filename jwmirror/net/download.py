"""The download of one file: resumed or repeated until every check passes, or quarantined."""

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ArchiveError, MaintenanceError, RejectedError
from jwmirror.net.http import HttpClient
from jwmirror.net.integrity import check_readable
from jwmirror.net.quarantine import move_to_quarantine
from jwmirror.net.request import (
    SIZE,
    DownloadedFile,
    DownloadRequest,
    DownloadState,
    receive_file,
)
from jwmirror.net.resume_record import PART_SUFFIX, remove_record

OVERSIZED = ""  # in place of the sha256 of a file that is too large

log = logging.getLogger(__name__)


def download(
    client: HttpClient,
    request: DownloadRequest,
    folder: Path,
    quarantine: Path | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> DownloadedFile:
    """Download a file into `folder`; it is left there only if every check passes.

    A cut body is resumed where that is safe, or requested again. So is a wrong one, unless it comes
    twice: then it goes to `quarantine`, or is deleted without one, or if it is too large. Bytes
    that may be resumed later are left. Raises ArchiveError, and OSError of the disk.
    """
    path = folder / f"{request.key or uuid.uuid4().hex}{PART_SUFFIX}"
    state = DownloadState(request=request, path=path, on_bytes=on_bytes, halt=client.halt)
    if leftover := _verified_leftover(state):
        return leftover
    rejected: set[str] = set()  # sha256, or OVERSIZED
    for left in reversed(range(client.timeouts.bodies)):
        file = None
        try:
            file = receive_file(client, state)
            check_download(request, file)
            remove_record(state.path)
            return file
        except RejectedError as err:
            content = file.sha256 if file else OVERSIZED
            if not (file and file.resumed) and (not left or content in rejected):
                _put_away(state, file, err, quarantine)
                raise
            log.info("%s; it is fetched again from its first byte", _cause(err))
            rejected.add(content)
            state.remove_file()
        except HTTPError as err:
            kept = _keep_if_resumable(state)
            if not left:
                raise state.error(f"cut {client.timeouts.bodies} times", err, kept) from err
        except ArchiveError as err:
            _keep_if_resumable(state)
            if not (left and _is_page(err)):  # the client has repeated all other requests
                raise
        except BaseException:
            state.remove_file()
            raise
        state.halt.wait(client.timeouts.backoff_s)
    raise state.error("cut again and again", "its parts did not fit together")


def check_download(request: DownloadRequest, file: DownloadedFile) -> None:
    """Raise RejectedError unless a file is what was requested, whole and readable.

    Where the listed size is not sure, the checksum shows whether the file is whole. Without one, a
    Content-Length does, or the file itself, if it can be read to its end and is not smaller than
    listed: a FITS file could be cut between two extensions.
    """
    is_larger = file.size >= (request.size or 0) or request.filename.endswith(".json")
    if request.checksum:
        is_whole = file.checksum == request.checksum
    else:
        is_whole = file.announced is not None or (request.shows_its_end and is_larger)
    is_whole = is_whole and not request.is_size_sure
    listed, algorithm = f" (listed by {request.server})", request.algorithm.upper()
    listed_size = None if is_whole else request.size
    facts = [
        ("Content-Encoding", "identity", "", file.encoding or "identity"),
        (SIZE, file.announced, " (Content-Length)", str(file.size)),
        (SIZE, file.size, " (received)", file.path.stat().st_size),
        (SIZE, listed_size, listed, file.size),
        (algorithm, request.checksum, listed, file.checksum),
    ]
    for what, expected, source, found in facts:
        if expected is not None and expected != found:
            raise RejectedError(request.filename, what, f"{expected}{source}", found)
    if is_whole and request.size not in (None, file.size):
        words = "%s: %s lists %d bytes, and sent %d, a whole file"
        log.warning(words, request.filename, request.server, request.size, file.size)
    if request.must_read:
        check_readable(file.path, request.filename)
    elif not (request.may_be_empty or file.size):
        raise RejectedError(request.filename, "content", "some bytes", "an empty file")


def _verified_leftover(state: DownloadState) -> DownloadedFile | None:
    """Return the file that a killed process left, if it is whole; every byte is hashed again."""
    request = state.request
    if not request.checksum or not state.path.exists():
        return None
    if state.path.stat().st_size != request.size:
        return None
    state.add_file()
    file = state.result()
    try:
        check_download(request, file)
    except RejectedError:
        state.remove_file()
        return None
    remove_record(state.path)
    return file


def _put_away(
    state: DownloadState, file: DownloadedFile | None, err: RejectedError, quarantine: Path | None
) -> None:
    """Move a rejected file to quarantine; delete what came of one that is too large."""
    if file is None:
        state.remove_file()
        return
    remove_record(state.path)
    move_to_quarantine(file.path, file.sha256, err, quarantine)


def _keep_if_resumable(state: DownloadState) -> str:
    """Keep the bytes on disk if they may be resumed; return words for what is kept.

    They may not if resuming them brought nothing: it would be tried in vain for ever.
    """
    is_in_vain = state.resumed_at is not None and state.resumed_at == state.size
    if is_in_vain or not state.read_record():
        state.remove_file()
        return "nothing of it was kept; "
    state.reset_hashes()
    return f"its first {state.path.stat().st_size} bytes are kept; "


def _is_page(err: ArchiveError) -> bool:
    return isinstance(err, MaintenanceError) and err.status == HTTPStatus.OK


def _cause(err: RejectedError) -> str:
    return f"{err.what} of {err.filename}: expected {err.expected}, got {err.found}"
