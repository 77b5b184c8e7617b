"""The download of one file: resumed or repeated until every check passes, or quarantined."""

import logging
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ArchiveError, RejectedError
from jwmirror.net.http import HttpClient
from jwmirror.net.integrity import check_readable
from jwmirror.net.request import DownloadedFile, DownloadRequest, DownloadState, receive_file
from jwmirror.net.resume_record import PART_SUFFIX, remove_record

LONGEST_NAME = 150  # characters of a file's name in quarantine

log = logging.getLogger(__name__)


def download(
    client: HttpClient,
    request: DownloadRequest,
    folder: Path,
    quarantine: Path | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> DownloadedFile:
    """Download a file into `folder`; it is left there only if every check passes.

    A cut body is resumed where that is safe, or requested again. So is a wrong one, unless the
    same bytes come twice: then they go to `quarantine` (if given). Bytes that may be resumed later
    are left. Raises ArchiveError (or WithheldError, RejectedError), and OSError of the disk.
    """
    path = folder / f"{request.key or uuid.uuid4().hex}{PART_SUFFIX}"
    state = DownloadState(request=request, path=path, on_bytes=on_bytes, halt=client.halt)
    if leftover := _verified_leftover(state):
        return leftover
    attempts = client.timeouts.bodies
    rejected: set[str] = set()  # sha256
    for left in reversed(range(attempts)):
        try:
            file = receive_file(client, state)
            check_download(request, file)
            remove_record(path)
            return file
        except RejectedError as err:
            if not file.resumed and (not left or file.sha256 in rejected):
                remove_record(path)
                _move_to_quarantine(file, request.filename, str(err), quarantine)
                raise
            log.info("%s; it is fetched again from its first byte", _cause(err))
            rejected.add(file.sha256)
            state.remove_file()
        except HTTPError as err:
            kept = _keep_if_resumable(state)
            if not left:
                raise request.error(f"cut {attempts} times", err, kept) from err
        except ArchiveError:
            _keep_if_resumable(state)
            raise
        except BaseException:
            state.remove_file()
            raise
        state.halt.wait(client.timeouts.backoff_s)
    raise request.error("cut again and again", "its parts did not fit together")


def check_download(request: DownloadRequest, file: DownloadedFile) -> None:
    """Raise RejectedError unless a file is what was requested, whole and readable."""
    facts = [
        ("Content-Encoding", "identity", file.encoding or "identity"),
        ("length in bytes (Content-Length)", file.announced, str(file.size)),
        ("size in bytes (on disk)", file.size, file.path.stat().st_size),
        ("size in bytes (listing)", request.size, file.size),
        (f"{request.algorithm} (listing)", request.checksum, file.checksum),
    ]
    for what, expected, found in facts:
        if expected is not None and expected != found:
            raise RejectedError(request.filename, what, expected, found)
    if request.must_read:
        check_readable(file.path, request.filename)


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


def _keep_if_resumable(state: DownloadState) -> str:
    """Keep the bytes on disk if they may be resumed; return words for what is kept."""
    if not state.read_record():
        state.remove_file()
        return "nothing of it was kept; "
    state.reset_hashes()
    return f"its first {state.path.stat().st_size} bytes are kept; "


def _cause(err: RejectedError) -> str:
    return f"{err.what} of {err.filename}: expected {err.expected}, got {err.found}"


def _move_to_quarantine(
    file: DownloadedFile, filename: str, why: str, quarantine: Path | None
) -> None:
    """Move a rejected file to `quarantine`, with the reason beside it; without one, delete it."""
    if quarantine is None:
        file.path.unlink()
        return
    quarantine.mkdir(parents=True, exist_ok=True)
    safe_name = re.sub(r"[^\w.+-]", "_", filename)[:LONGEST_NAME].lstrip(".")
    target = quarantine / f"{safe_name}.{file.sha256[:12]}.rejected"
    file.path.chmod(0o600)  # it may be of an exclusive product
    shutil.move(file.path, target)
    target.with_name(f"{target.name}.reason").write_text(f"{why}\n")
