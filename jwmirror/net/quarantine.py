"""The folder of refused downloads: the newest of them, each with the reason beside it."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from jwmirror.core.errors import RejectedError
from jwmirror.core.files import make_private

REJECTED, REASON = ".rejected", ".reason"
LONGEST_NAME = 150  # characters of a file's name in quarantine
MOST_FILES, MOST_BYTES = 100, 10_000_000_000


def move_to_quarantine(path: Path, sha256: str, err: RejectedError, folder: Path | None) -> None:
    """Move a rejected file to quarantine, with the reason beside it; without one, delete it.

    The oldest rejected files there are deleted if there are too many. Other files stay.
    """
    if folder is None:
        path.unlink()
        return
    make_private(folder)  # they may be of exclusive products
    safe_name = re.sub(r"[^\w.+-]", "_", err.filename)[:LONGEST_NAME].lstrip(".")
    target = folder / f"{safe_name}.{sha256[:12]}{REJECTED}"
    path.chmod(0o600)
    os.utime(path)  # its age is counted from now on
    shutil.move(path, target)
    _reason_of(target).write_text(f"{err}\n")
    _delete_oldest(folder)


def _reason_of(rejected: Path) -> Path:
    return rejected.with_name(f"{rejected.name}{REASON}")


def _delete_oldest(folder: Path) -> None:
    """Delete rejected files beyond the limits; the newest one stays, whatever its size.

    Other processes may do the same at this moment.
    """
    files: list[tuple[int, int, Path]] = []
    for path in folder.glob(f"*{REJECTED}"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            files.append((status.st_mtime_ns, status.st_size, path))
    total = 0
    for number, (_, size, path) in enumerate(sorted(files, reverse=True)):
        total += size
        if number and (number >= MOST_FILES or total > MOST_BYTES):
            path.unlink(missing_ok=True)
            _reason_of(path).unlink(missing_ok=True)
