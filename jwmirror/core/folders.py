"""New folders that appear complete, also where other users can write beside them (as in /tmp)."""

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.files import locked, sync_many, sync_path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def no_folder(path: Path) -> str:
    """Return why a path is no folder; "" if it is one."""
    if path.is_dir():
        return ""
    return "expected a folder, found a file" if path.exists() else "there is no such folder"


def check_new(to: Path) -> None:
    """Raise StoreError unless a folder is not there or empty, and no foreign link leads to it."""
    _check_links(to)
    if os.path.lexists(to) and not _is_empty_folder(Path(to)):
        raise StoreError(
            f"{Path(to).absolute()}: expected a folder that is not there yet or is empty, found "
            "something in it; nothing was written; name another."
        )


def _is_empty_folder(path: Path) -> bool:
    with suppress(OSError):
        return not path.is_symlink() and not os.listdir(path)
    return False


def _check_links(to: Path) -> None:
    """Raise StoreError if a link in a path is another user's, in a folder where others can write.

    Linux refuses such links (protected_symlinks) only in folders with the sticky bit, as /tmp.
    """
    path = Path(os.path.abspath(to))
    for link in (*reversed(path.parents), path):
        if link.is_symlink():
            folder, owner = link.parent.stat(), link.lstat().st_uid
            if folder.st_mode & OTHERS_WRITE and owner not in (0, os.geteuid(), folder.st_uid):
                raise StoreError(
                    f"{to}: {link} is a link that another user has made, and what is written may "
                    "go elsewhere; nothing was written; name the folder that you mean without "
                    "links."
                )


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """Yield a temporary folder, and rename it to `to` when the block ends, durably.

    Only the owner can enter it before; then the umask decides. An error leaves nothing. What a
    killed process left is removed by the next one of the same user, which finds it without a lock.

    Raises:
        StoreError: another user's link leads to the folder.
    """
    _check_links(to)
    target = Path(os.path.abspath(to))
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target.parent, f".{target.name[:60]}.unfinished-") as folder:
        mode = _usual_mode(folder)
        yield folder
        sync_many([folder, *(path for path in folder.rglob("*") if not path.is_symlink())])
        folder.chmod(mode)
        os.rename(folder, target)
        sync_path(target.parent)


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder that only its owner can enter; remove it when the block ends.

    So are folders of this user, with the same prefix, that no process has locked: they are of
    killed processes.
    """
    for path in parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):  # it has its final name now, or another user has replaced it
            _remove_if_dead(path)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _usual_mode(folder: Path) -> int:
    """Return the permissions that a new folder gets here, by the umask and by the folder above."""
    sample = folder / "sample"
    sample.mkdir()
    mode = stat.S_IMODE(sample.stat().st_mode)
    sample.rmdir()
    return mode


def _remove_if_dead(path: Path) -> None:
    """Remove a folder of this user that no process has locked; not a link, file or pipe."""
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
        with locked(path) as is_dead:
            if is_dead:
                shutil.rmtree(path, ignore_errors=True)
