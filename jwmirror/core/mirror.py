"""The folder of a mirror: the mark by which it is known, and the names in it."""

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from jwmirror.core.errors import StoreError, plain_text
from jwmirror.core.files import as_store_error, sync_path, write_bytes

MARK = "JWMIRROR"  # file in the folder of a mirror
MARK_TEXT = (
    "This folder is a mirror of jwmirror, which adds, replaces and removes files in it.\n"
    "Keep your own files elsewhere.\n"
)
RUN_ID_FORM = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d+", re.ASCII)  # its start (UTC) and its process
GENERATION = re.compile(r"\d{6,}", re.ASCII)
OWN = (  # names that a mirror uses in its folder
    *(MARK, "CURRENT", "current", "objects", "generations", "views", "provenance", "pins"),
    *("locks", "losses", "accepted", "invalidated", "hold.json"),
    *("receipts", "logs", "work", "quarantine", "reports"),
    *("site", "site-exclusive"),
)


def is_mirror(folder: Path) -> bool:
    """Return whether a folder is marked as a mirror, or was made by a version without marks.

    Those have a generation, the records of a run, or a lock.
    """
    if (folder / MARK).is_file():
        return True
    generations = _names(folder / "generations", GENERATION)
    heads = (folder / "generations" / name / "generation.json" for name in generations)
    runs = _names(folder / "receipts" / "runs", RUN_ID_FORM)
    return any(head.is_file() for head in heads) or bool(runs) or _has_lock(folder / "locks")


def mark_mirror(folder: Path, among_others: bool = False) -> bool:
    """Durably mark a new or empty folder as a mirror; return False if it is one already.

    A crash leaves an empty folder, or one with an unfinished mark, which counts as empty.
    `among_others`: the folder may have other files if no name is one that a mirror uses.

    Raises:
        StoreError: the folder has other files, or the disk refused.
    """
    if check_mirror(folder, among_others):
        return False
    with as_store_error(f"mirror {folder.absolute()}", "nothing of it was made"):
        write_bytes(folder / MARK, MARK_TEXT.encode())
        sync_path(folder.absolute().parent)
    return True


def check_mirror(folder: Path, among_others: bool = False) -> bool:
    """Return True for a mirror, False for a folder that may become one: new, empty (or as above).

    Raises:
        StoreError: it is neither, or in another mirror.
    """
    foreign = [name for name in _content(folder) if not name.startswith(f".{MARK}.")]
    obstacles = sorted(set(OWN).intersection(foreign)) if among_others else foreign
    if is_mirror(folder):  # after the listing: another process may make the mark meanwhile
        return True
    if outer := next(filter(is_mirror, folder.absolute().parents), None):
        raise StoreError(
            f"mirror {folder.absolute()}: found a folder in the mirror {outer}; nothing was "
            f"changed; use {outer}, or a folder outside."
        )
    if obstacles:
        raise StoreError(
            f"mirror {folder.absolute()}: expected a new or empty folder, or one that is marked as "
            f"a mirror (file {MARK}); {_found(foreign, obstacles)}."
        )
    return False


def _found(foreign: Collection[str], obstacles: Sequence[str]) -> str:
    """Return words for what is in a folder that is refused, and for the next step."""
    others = " and others" if len(obstacles) > 3 else ""
    step = "name another folder in `mirror` in the config"
    if not set(OWN).intersection(foreign):
        step += ", or run `jwmirror init` to make a mirror beside these files"
    return f"found {', '.join(obstacles[:3])}{others}; nothing was changed; {step}"


def _content(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none if it does not exist. StoreError as above."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as err:
        raise StoreError(
            f"mirror {folder.absolute()}: expected a folder that can be listed, found "
            f"{'a file' if folder.is_file() else plain_text(err)}; nothing was changed; name "
            "another folder in `mirror` in the config."
        ) from err


def _names(folder: Path, form: re.Pattern[str]) -> list[str]:
    """Return the names of a form in a folder; none if there is no such folder."""
    try:
        return [name for name in os.listdir(folder) if form.fullmatch(name)]
    except OSError:
        return []


def _has_lock(folder: Path) -> bool:
    """Return whether a folder has a lock of a mirror: a folder with a file of a known form."""
    form = re.compile(r"free|[^~]*(~[^~]*){3}~\d+~\d*~[0-9a-f]{12}", re.ASCII)
    return any(_names(folder / name, form) for name in ("run", "publishing"))
