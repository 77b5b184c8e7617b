"""The view: the folder tree that people use, of relative symlinks to one generation's objects."""

import os
import shutil
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

THREADS = 4  # that make symlinks: of one, ext4 and network file systems take several times longer
CHUNK = 100  # symlinks per task
STAMP = 946_684_800  # 2000-01-01, s; a view's folders have that time and a second per number


def view_folder(root: Path, number: int) -> Path:
    """Where the view of a generation is, or would be."""
    return Path(root) / "views" / f"{number:06d}"


@dataclass(frozen=True)
class SpareView:
    """A view that nobody needs any more and another may be made of, and the rows it shows."""

    number: int
    entries: Entries


def build_view(
    root: Path, number: int, entries: Iterable[Entry], spare: SpareView | None = None
) -> Path:
    """Build the view of a generation and give it its name in one rename; its folder.

    A view that already bears the name is whole, and stays as it is. Where there is a spare one, it
    is used up, and just what differs is made: of 100,000 symlinks, making all takes seconds, and
    removing all takes minutes on ext4, which waits for its journal at each.
    """
    place = view_folder(root, number)
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        links = links_of(entries)
        temporary.chmod(0o755)
        if spare is None or not _adapted(root, spare, links, temporary):
            _fill(temporary, links)
        _stamp(temporary, links, number)
        failpoint("view: built")
        os.rename(temporary, place)
    except OSError:
        if not place.is_dir():  # else another process that builds the same view was first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_path(place.parent)
    sync_path(place.parent.parent)
    failpoint("view: named")
    return place


def link_target(path: str, sha256: str) -> str:
    """What the symlink at `path` below a view says, so that the whole mirror can be moved."""
    return f"{'../' * (path.count('/') + 2)}objects/{sha256[:2]}/{sha256}"


def folders_of(paths: Iterable[str]) -> set[str]:
    """The folders that a view needs for these paths, "." for itself among them."""
    needed = {PurePosixPath(name) for name in {path.rpartition("/")[0] for path in paths}}
    return {".", *map(str, needed), *(str(above) for each in needed for above in each.parents)}


def is_untouched(folder: str, number: int) -> bool:
    """Whether a folder of a generation's view has the time it got when it was built.

    Whoever adds, removes or replaces a link in it gives it another one, unless they put it back.
    """
    try:
        return os.stat(folder).st_mtime_ns // 10**9 == STAMP + number
    except OSError:
        return False


def remove_views(root: Path, keep: Collection[int]) -> None:
    """Remove the other views and what killed builds left, up to the newest kept one.

    A view first loses its name, so that what bears a view's name is whole.
    """
    remove_numbered(Path(root) / "views", {f"{number:06d}" for number in keep})


def remove_numbered(folder: Path, keep: Collection[str]) -> None:
    """Remove what numbered folders and their temporaries are not kept, up to the newest kept."""
    newest = max(keep, default="")
    for found in list(folder.iterdir()) if folder.is_dir() else ():
        number = found.name.lstrip(".")[:6]
        if found.name in keep or not number.isdigit() or number > newest:
            continue
        with suppress(FileNotFoundError):  # another process sweeps too
            if not found.name.startswith("."):
                found = found.rename(found.with_name(f".{found.name}.dropped"))
        shutil.rmtree(found, ignore_errors=True)  # what stays is swept the next time


def links_of(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """(path, sha256) of each row."""
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
    """Give the folders of a built view the time by which `is_untouched` knows them."""
    for folder in folders_of(path for path, _ in links):
        os.utime(view / folder, (STAMP + number, STAMP + number))


def _link(view: Path, links: list[tuple[str, str]]) -> None:
    for path, sha256 in links:
        os.symlink(link_target(path, sha256), f"{view}/{path}")


def _adapted(root: Path, spare: SpareView, links: list[tuple[str, str]], view: Path) -> bool:
    """Make the (empty) folder `view` of a spare one; False, and it is empty again, if it cannot."""
    place = view_folder(root, spare.number)
    folders = folders_of(spare.entries.column("path"))
    if not all(is_untouched(f"{place}/{each}", spare.number) for each in folders):
        return False  # somebody's hand was in it, and the new view would vouch for that
    try:
        os.rename(place, view)
        failpoint("view: spare taken")
        _adapt(view, dict(links_of(spare.entries)), dict(links))
    except OSError:  # it was not whole, so nothing of it is trusted
        shutil.rmtree(view, ignore_errors=True)
        view.mkdir(exist_ok=True)
        return False
    return True


def _adapt(view: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """Let a view show the new links instead of the old ones, and make the names durable."""
    leaving = [path for path, sha256 in old.items() if new.get(path) != sha256]
    coming = [(path, sha256) for path, sha256 in new.items() if old.get(path) != sha256]
    for path in leaving:
        os.unlink(view / path)
    for path in leaving:
        for folder in PurePosixPath(path).parents[:-1]:
            with suppress(OSError):  # others are still in it
                os.rmdir(view / folder)
    _fill(view, coming)
    left = {(view / path).parent for path in leaving}
    sync_many([folder for folder in left if folder.is_dir()])  # others went with what was in them
