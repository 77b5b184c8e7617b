"""Views: the folder trees that people use, made of relative symlinks to a generation's objects."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import sync_many, sync_path
from jwmirror.core.model import Entry
from jwmirror.store.manifest import Entries

THREADS = 4  # that make symlinks; with one, ext4 and network file systems are several times slower
CHUNK = 100  # symlinks per task
NUMBERED = re.compile(r"(\d{6})|\.(\d{6})\..+", re.ASCII)  # the second form is unfinished
STAMP = 946_684_800  # 2000-01-01, s: time of a view's folders, plus a second per number


def view_folder(root: Path, number: int) -> Path:
    """Return the folder of a generation's view, whether or not it exists."""
    return Path(root) / "views" / f"{number:06d}"


@dataclass(frozen=True)
class SpareView:
    """A view that is not needed any more, from which another can be made, and its rows."""

    number: int
    entries: Entries


def build_view(
    root: Path, number: int, entries: Iterable[Entry], spare: SpareView | None = None
) -> Path:
    """Build the view of a generation, rename it into place in one step, and return its folder.

    An existing view is complete, and is not changed. A spare view is changed where it differs: to
    make 100,000 symlinks takes seconds, and to remove them takes minutes on ext4, which waits for
    its journal at each.
    """
    folder = view_folder(root, number)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        links = links_of(entries)
        temporary.chmod(0o755)
        if spare is None or not _adapted(root, spare, links, temporary):
            _fill(temporary, links)
        _stamp(temporary, links, number)
        failpoint("view: built")
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():  # else another process has built the same view
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_path(folder.parent)
    sync_path(folder.parent.parent)
    failpoint("view: named")
    return folder


def link_target(path: str, sha256: str) -> str:
    """Return the target of the symlink at `path` below a view; relative, so mirrors can move."""
    return f"{'../' * (path.count('/') + 2)}objects/{sha256[:2]}/{sha256}"


def folders_of(paths: Iterable[str]) -> set[str]:
    """Return the folders that a view needs for these paths, including "." for the view."""
    needed = {PurePosixPath(name) for name in {path.rpartition("/")[0] for path in paths}}
    return {".", *map(str, needed), *(str(above) for path in needed for above in path.parents)}


def is_untouched(folder: str, number: int) -> bool:
    """Return whether a folder of a view has the time that it got when it was built.

    To add, remove or replace a link in it changes this time. A link is not what was built.
    """
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_mtime_ns // 10**9 == STAMP + number


def remove_views(root: Path, keep: Collection[int]) -> None:
    """Remove the other views, and unfinished ones, up to the newest that is kept.

    A view is renamed before it is removed, so that a folder with the name of a view is complete.
    """
    remove_numbered(Path(root) / "views", {f"{number:06d}" for number in keep})


def remove_numbered(folder: Path, keep: Collection[str]) -> None:
    """Remove the other numbered folders, and unfinished ones, up to the newest that is kept.

    Files and folders with names of another form are not ours, and stay; so do links.
    """
    newest = max(keep, default="")
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        form = NUMBERED.fullmatch(path.name)
        if form is None or path.name in keep or path.is_symlink():
            continue
        if (form[1] or form[2]) > newest:
            continue
        with suppress(FileNotFoundError):  # another process removes it, too
            if not path.name.startswith("."):
                path = path.rename(path.with_name(f".{path.name}.dropped"))
        shutil.rmtree(path, ignore_errors=True)  # what cannot be removed is tried again next time


def links_of(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """Return (path, sha256) of each row."""
    if isinstance(entries, Entries):
        return list(zip(entries.column("path"), entries.column("sha256"), strict=True))
    return [(entry.path, entry.sha256) for entry in entries]


def _fill(view: Path, links: list[tuple[str, str]]) -> None:
    """Make the folders, then the symlinks, and make the names durable."""
    folders = folders_of(path for path, _ in links)
    for folder in sorted(folders):
        (view / folder).mkdir(exist_ok=True)
    chunks = [links[start : start + CHUNK] for start in range(0, len(links), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda chunk: _link(view, chunk), chunks))
    sync_many([view / folder for folder in folders])


def _stamp(view: Path, links: list[tuple[str, str]], number: int) -> None:
    """Set the times that `is_untouched` looks for."""
    for folder in folders_of(path for path, _ in links):
        os.utime(view / folder, (STAMP + number, STAMP + number))


def _link(view: Path, links: list[tuple[str, str]]) -> None:
    for path, sha256 in links:
        os.symlink(link_target(path, sha256), f"{view}/{path}")


def _adapted(root: Path, spare: SpareView, links: list[tuple[str, str]], view: Path) -> bool:
    """Make the empty folder `view` from a spare view; return False if that is not possible."""
    source = view_folder(root, spare.number)
    folders = folders_of(spare.entries.column("path"))
    if not all(is_untouched(f"{source}/{folder}", spare.number) for folder in folders):
        return False  # a user changed it
    try:
        os.rename(source, view)
        failpoint("view: spare taken")
        _adapt(view, dict(links_of(spare.entries)), dict(links))
    except OSError:  # it was not complete
        shutil.rmtree(view, ignore_errors=True)
        view.mkdir(exist_ok=True)
        return False
    return True


def _adapt(view: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """Replace the old links of a view by the new ones, durably."""
    removed = [path for path, sha256 in old.items() if new.get(path) != sha256]
    added = [(path, sha256) for path, sha256 in new.items() if old.get(path) != sha256]
    for path in removed:
        os.unlink(view / path)
    for path in removed:
        for folder in PurePosixPath(path).parents[:-1]:
            with suppress(OSError):  # it is not empty
                os.rmdir(view / folder)
    _fill(view, added)
    sync_many([folder for folder in {(view / path).parent for path in removed} if folder.is_dir()])
