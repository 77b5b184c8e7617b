"""Private folders for files under way, so that what a killed run left is told from what is in use.

Each fetch works in a folder of its own below incoming/, under a lock that the kernel takes away
with the process. A later fetch takes what it can use out of the folders of the dead, and removes
what no order wants.
"""

import os
import socket
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from jwmirror.core.files import locked
from jwmirror.core.model import Product
from jwmirror.net.resume import PART_SUFFIX, RECORD_SUFFIX, resume_key

LOCK = ".lock"
ABANDONED_S = 7 * 86400.0  # without a touch: what another host left is nobody's any more


@contextmanager
def staging_folder(
    incoming: Path, mine: Collection[Product], ordered: Collection[Product] = ()
) -> Iterator[Path]:
    """A folder for the files of one fetch, with what earlier ones left of the products in `mine`.

    What was left of other products is removed, unless they are `ordered` and so another fetch of
    this run will want it. What is still in the folder at the end is left to later fetches.
    """
    incoming.mkdir(parents=True, exist_ok=True)
    with ExitStack() as lease:
        with locked(incoming / LOCK, wait=True, make=True) as has_locks:
            folder = Path(tempfile.mkdtemp(dir=incoming, prefix=f"{_host()}."))
            if lease.enter_context(locked(folder / LOCK, make=True)) and has_locks:
                _sweep(folder, _keys(mine), _keys(ordered))
        try:
            yield folder
        finally:
            with locked(incoming / LOCK, wait=True, make=True):
                _remove_if_empty(folder)


def _keys(products: Collection[Product]) -> set[str]:
    return {key for product in products if (key := resume_key(product))}


def _host() -> str:
    """This machine, as the first part of a folder's name."""
    return socket.gethostname().partition(".")[0] or "host"


def _sweep(folder: Path, mine: set[str], ordered: set[str]) -> None:
    """Take what is mine out of the folders of the dead, and remove what is not ordered."""
    now = folder.stat().st_mtime  # by the clock of the file system
    for other in folder.parent.iterdir():
        if other == folder or other.name == LOCK:
            continue
        if not other.is_dir():
            if now - _touched(other) > ABANDONED_S:
                other.unlink(missing_ok=True)
            continue
        is_ours = other.name.startswith(f"{_host()}.")
        if is_ours or now - _touched(other) > ABANDONED_S:
            with locked(other / LOCK, make=True) as is_dead:
                if is_dead:
                    _inherit(other, folder, mine, ordered)


def _touched(path: Path) -> float:
    """When a file, or the newest file in a folder, was last written to."""
    times = [0.0]
    with suppress(OSError):
        times = [path.lstat().st_mtime]
        if path.is_dir():
            times += [each.lstat().st_mtime for each in path.iterdir()]
    return max(times)


def _inherit(other: Path, folder: Path, mine: set[str], ordered: set[str]) -> None:
    for file in sorted(other.iterdir()):
        usable = file.suffix in (PART_SUFFIX, RECORD_SUFFIX)
        if file.name == LOCK or (usable and file.stem in ordered - mine):
            continue
        if usable and file.stem in mine and not (folder / file.name).exists():
            os.rename(file, folder / file.name)
        else:
            file.unlink()
    _remove_if_empty(other)


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder with nothing in it but its lock."""
    if [each.name for each in folder.iterdir()] == [LOCK]:
        (folder / LOCK).unlink()
        folder.rmdir()
