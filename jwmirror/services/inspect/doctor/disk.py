"""Checks of a mirror's disk: its file system does what a mirror needs, and has room."""

import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jwmirror.core.errors import plain_text
from jwmirror.core.files import locked, replace_symlink, write_bytes
from jwmirror.core.folders import temporary_folder
from jwmirror.core.model import Product
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check, Outcome
from jwmirror.report.formatting import count, size
from jwmirror.store.disk_space import free_space

LENGTH = 1000  # bytes, of a file that is replaced, or a multiple
REPLACEMENTS = 50  # of a file while another thread reads it
OTHER_DISK = "name a folder on another file system in `mirror` in the config"
FEW_FILES = 10_000  # that may still be made; a first run of a program may need more
MAKE_ROOM = "free space, select less, or lower archive.keep_free_gb in the config"

Trial = Callable[[Path], str]  # returns what went wrong in a folder; "" if nothing


def file_system_checks(mirror: Path) -> Iterator[Check]:
    """Try what a mirror needs of its file system, in a folder of it that is removed again.

    Raises:
        OSError: the folder cannot be made.
    """
    with temporary_folder(mirror, ".doctor-") as folder:
        for subject, (trial, outcome, step) in TRIALS.items():
            try:
                problem = trial(folder)
            except OSError as err:
                problem = plain_text(err)
            if problem:
                yield Check(subject, outcome, problem, step)
            else:
                yield Check(subject, OK, "as needed")


def _links_symbolically(folder: Path) -> str:
    first, second, link = folder / "first", folder / "second", folder / "symbolic"
    first.write_text("first")
    second.write_text("second")
    replace_symlink(link, first.name)
    replace_symlink(link, second.name)
    return "" if link.read_text() == "second" else "a link was replaced, and has its former target"


def _links_hard(folder: Path) -> str:
    file, link = folder / "file", folder / "hard"
    file.write_text("content")
    os.link(file, link)
    if not os.path.samefile(file, link):
        return "a hard link is another file"
    try:
        os.link(file, link)
    except FileExistsError:
        return ""
    return "a second link of the same name replaced the first one"


def _renames_in_one_step(folder: Path) -> str:
    """Replace a file again and again while another thread reads it."""
    file, is_done = folder / "renamed", threading.Event()
    problems: list[str] = []
    write_bytes(file, b"0" * LENGTH)
    reader = threading.Thread(target=_read, args=(file, is_done, problems), daemon=True)
    reader.start()
    try:
        for number in range(REPLACEMENTS):
            temporary = folder / "temporary"
            temporary.write_bytes(b"%d" % number * LENGTH)
            os.replace(temporary, file)
    finally:
        is_done.set()
        reader.join()
    return "".join(problems)


def _read(file: Path, is_done: threading.Event, problems: list[str]) -> None:
    """Read a file until `is_done`, or until it is absent or not whole."""
    while not is_done.is_set() and not problems:
        try:
            content = file.read_bytes()
        except OSError as err:
            problems.append(f"a file was absent while it was replaced: {plain_text(err)}")
        else:
            if len(content) % LENGTH or not content:
                problems.append(f"a file had {len(content)} bytes while it was replaced")


def _locks(folder: Path) -> str:
    path = folder / "locked"
    with locked(path, make=True) as has_first, locked(path, make=True) as has_second:
        if not has_first:
            return "a file cannot be locked (flock)"
        return "a locked file was locked a second time" if has_second else ""


def _keeps_permissions(folder: Path) -> str:
    file = folder / "closed"
    file.touch()
    for mode in (0o644, 0o600):
        file.chmod(mode)
        if (kept := stat.S_IMODE(file.stat().st_mode)) != mode:
            return f"permissions {mode:04o} were set, and are {kept:04o}"
    return ""


TRIALS: dict[str, tuple[Trial, Outcome, str]] = {  # with the outcome and step of a problem
    "symbolic links": (_links_symbolically, FAIL, OTHER_DISK),
    "hard links": (_links_hard, FAIL, OTHER_DISK),
    "renames": (_renames_in_one_step, FAIL, OTHER_DISK),
    "locks": (
        _locks,
        WARN,
        "unfinished downloads of killed runs are not resumed, and stay on the disk; mount the "
        "file system with locks (flock), or " + OTHER_DISK,
    ),
    "permissions": (
        _keeps_permissions,
        WARN,
        "exclusive files would be readable for all who can enter the mirror: close the folder "
        "above it, or " + OTHER_DISK,
    ),
}


# ---- room ------------------------------------------------------------------------------------


def disk_checks(mirror: Path, keep_free: int, missing: Sequence[Product] | None) -> Iterator[Check]:
    """Check free bytes and files; `missing` is what a run would fetch, None if not known."""
    free, limit = free_space(mirror)
    wanted = sum(product.size or 0 for product in missing or ())
    found = f"{size(free)} {limit}; {size(keep_free)} must stay free"
    if missing is not None:
        found += f"; a run would fetch {size(wanted)} in {count(len(missing), 'file')}"
    if wanted + keep_free > free:
        yield Check("disk", FAIL, found, f"a run would not start to download: {MAKE_ROOM}")
    else:
        yield Check("disk", OK, found)
    yield from _file_checks(mirror, len(missing or ()))


def _file_checks(mirror: Path, wanted: int) -> Iterator[Check]:
    status = os.statvfs(mirror)
    is_counted = status.f_files > 0  # btrfs, for one, has no limit
    if is_counted and status.f_favail < max(FEW_FILES, wanted):
        found = f"{count(status.f_favail, 'more file')} can be made on this file system"
        yield Check("inodes", WARN, found, "remove files, or ask for more inodes")
