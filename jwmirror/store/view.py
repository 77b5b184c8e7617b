"""The view: the folder tree that people use, of relative symlinks to one generation's objects."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from jwmirror.files import sync_folder
from jwmirror.records import Entry


def view_folder(root: Path, number: int) -> Path:
    """Where the view of a generation is, or would be."""
    return Path(root) / "views" / f"{number:06d}"


def build_view(root: Path, number: int, entries: Iterable[Entry]) -> Path:
    """Build the view of a generation and give it its name in one rename; its folder.

    A view that already bears the name is whole, and stays as it is.
    """
    place = view_folder(root, number)
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        temporary.chmod(0o755)
        _fill(temporary, [(entry.path, entry.sha256) for entry in entries])
        os.rename(temporary, place)
    except OSError:
        if not place.is_dir():  # else another process that builds the same view was first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(place.parent)
    sync_folder(place.parent.parent)
    return place


def link_target(path: str, sha256: str) -> str:
    """What the symlink at `path` below a view says, so that the whole mirror can be moved."""
    return f"{'../' * (path.count('/') + 2)}objects/{sha256[:2]}/{sha256}"


def drop_views(root: Path, keep: Collection[int]) -> None:
    """Remove the other views and what killed builds left, up to the newest kept one.

    A view first loses its name, so that what bears a view's name is whole.
    """
    sweep(Path(root) / "views", {f"{number:06d}" for number in keep})


def sweep(folder: Path, keep: Collection[str]) -> None:
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


def _fill(view: Path, links: list[tuple[str, str]]) -> None:
    """Make the folders, then the symlinks, and make the names durable."""
    needed = {PurePosixPath(path).parent for path, _ in links}
    folders = {PurePosixPath("."), *needed, *(above for each in needed for above in each.parents)}
    for folder in sorted(folders):
        (view / folder).mkdir(exist_ok=True)
    for path, sha256 in links:
        os.symlink(link_target(path, sha256), f"{view}/{path}")
    for folder in folders:
        sync_folder(view / folder)
