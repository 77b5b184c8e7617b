"""Private folders for files under way, so that those of killed fetches can be taken over.

Each fetch works in a private folder below incoming/, under a lock that the kernel releases when the
process ends. A later fetch takes the files that it can use out of abandoned folders, and removes
those that no order asks for.
"""

import os
import socket
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from jwmirror.core.files import locked, make_private
from jwmirror.core.model import Product
from jwmirror.net.resume_record import PART_SUFFIX, RECORD_SUFFIX, resume_key

LOCK = ".lock"
ABANDONED_S = 7 * 86400.0  # without a write: then the folder of another host is removed, too


@contextmanager
def staging_folder(
    incoming: Path, products: Collection[Product], ordered: Collection[Product] = ()
) -> Iterator[Path]:
    """Yield a folder for the files of one fetch, with unfinished files of `products` in it.

    They come from earlier fetches. Those of other products are removed, unless they are `ordered`:
    another fetch of this run needs them. Files in the folder at the end are left to later fetches.
    """
    make_private(incoming)
    with ExitStack() as locks:
        with locked(incoming / LOCK, wait=True, make=True) as has_locks:
            folder = Path(tempfile.mkdtemp(dir=incoming, prefix=f"{_host()}."))
            if locks.enter_context(locked(folder / LOCK, make=True)) and has_locks:
                _take_over(folder, _keys(products), _keys(ordered))
        try:
            yield folder
        finally:
            with locked(incoming / LOCK, wait=True, make=True):
                _remove_if_empty(folder)


def _keys(products: Collection[Product]) -> set[str]:
    return {key for product in products if (key := resume_key(product))}


def _host() -> str:
    """Return this machine's name, as the first part of a folder's name."""
    return socket.gethostname().partition(".")[0] or "host"


def _take_over(folder: Path, usable: set[str], ordered: set[str]) -> None:
    """Move usable files out of abandoned folders, and remove files that are not ordered."""
    now = folder.stat().st_mtime  # by the clock of the file system
    for other in folder.parent.iterdir():
        if other == folder or other.name == LOCK or other.is_symlink():
            continue
        is_old = now - _last_write(other) > ABANDONED_S
        if is_old and not other.is_dir():
            other.unlink(missing_ok=True)
        elif other.is_dir() and (is_old or other.name.startswith(f"{_host()}.")):
            with locked(other / LOCK, make=True) as is_abandoned:
                if is_abandoned:
                    _empty(other, folder, usable, ordered)


def _last_write(path: Path) -> float:
    """Return when a file, or the newest file in a folder, was last written to."""
    times = [0.0]
    with suppress(OSError):
        times = [path.lstat().st_mtime]
        if path.is_dir():
            times += [file.lstat().st_mtime for file in path.iterdir()]
    return max(times)


def _empty(abandoned: Path, folder: Path, usable: set[str], ordered: set[str]) -> None:
    """Move or remove the files of an abandoned folder, and remove it when it is empty."""
    for file in sorted(abandoned.iterdir()):
        is_unfinished = file.suffix in (PART_SUFFIX, RECORD_SUFFIX)
        if file.name == LOCK or file.is_dir() or (is_unfinished and file.stem in ordered - usable):
            continue
        if is_unfinished and file.stem in usable and not (folder / file.name).exists():
            os.rename(file, folder / file.name)
        else:
            file.unlink()
    _remove_if_empty(abandoned)


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder with nothing in it but its lock."""
    if [path.name for path in folder.iterdir()] == [LOCK]:
        (folder / LOCK).unlink()
        folder.rmdir()
