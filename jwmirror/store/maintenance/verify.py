"""Verification: whether a mirror on disk is what it says it is, told as records.

Quick: the chain of generations, the manifests' sums, every object in full length, every pin, the
pointers and the current view, where somebody changed it since it was built. Full: the bytes of
every object besides, on all cores, every record of provenance, and every link of every view.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model.maintenance import Problem, Verification
from jwmirror.store.generations import Generations
from jwmirror.store.losses import read_losses
from jwmirror.store.maintenance.scan import GenerationRows, MirrorScan, scan_mirror
from jwmirror.store.objects import hash_files
from jwmirror.store.pins import read_pins
from jwmirror.store.provenance import Provenance
from jwmirror.store.view import folders_of, is_untouched, link_target, view_folder

NOTHING = "nothing"
DENIED = os.strerror(errno.EACCES)  # found, where a file is another user's alone


def verify(root: Path, full: bool = False) -> Verification:
    """Look at a mirror; it changes nothing. In one that was never filled nothing is wrong."""
    root = Path(root)
    states = scan_mirror(root)
    named = states.named()
    problems = {*states.problems, *_pins(root, states), *_pointers(root, states)}
    problems |= {*_views(root, states, full)}
    if full:
        decayed, whole = _decayed(root)
        problems |= {*decayed, *_records(root)}
        problems |= {*_lacking(root, {s: named[s] for s in named.keys() - whole})}
    else:
        problems |= {*_lacking(root, named)}
    return Verification(
        mirror=str(root),
        is_full=full,
        generations=len(states.rows),
        objects=len(named),
        bytes=sum(named.values()),
        problems=tuple(sorted(problems)),
    )


# ---- objects ---------------------------------------------------------------------------------


def object_path(sha256: str) -> str:
    """Where an object is, below the mirror."""
    return f"objects/{sha256[:2]}/{sha256}"


def _lacking(root: Path, named: dict[str, int]) -> Iterator[Problem]:
    """Objects that are not there, or not in full length."""
    lost = read_losses(root)
    for sha256, size in named.items():
        path = object_path(sha256)
        try:
            found = os.stat(f"{root}/{path}")
        except OSError as err:
            problem = Problem(kind="object", path=path, expected=_length(size), found=_error(err))
            if sha256 in lost:
                told = f"{NOTHING}; lost: {lost[sha256].path}: {lost[sha256].why}"
                problem = replace(problem, found=told)
            yield problem
            continue
        if found.st_size != size or not stat.S_ISREG(found.st_mode):
            told = _length(found.st_size) if stat.S_ISREG(found.st_mode) else "no regular file"
            yield Problem(kind="object", path=path, expected=_length(size), found=told)


def _decayed(root: Path) -> tuple[list[Problem], set[str]]:
    """Objects whose bytes are not what their names say, needed or not; and those that are whole."""
    problems, whole = [], set()
    folders = sorted((root / "objects").glob("[0-9a-f][0-9a-f]"))
    paths = (file.path for folder in folders for file in os.scandir(folder))
    for path, found in hash_files(paths):
        name = os.path.basename(path)
        if found == name:
            whole.add(name)
            continue
        told = _error(found) if isinstance(found, OSError) else found
        place = os.path.relpath(path, root)
        problems.append(Problem(kind="object", path=place, expected=name, found=told))
    return problems, whole


def _length(size: int) -> str:
    return f"{size} bytes"


def _error(err: OSError) -> str:
    return NOTHING if isinstance(err, FileNotFoundError) else str(err.strerror)


# ---- names that people and programs go by ----------------------------------------------------


def _pins(root: Path, states: MirrorScan) -> Iterator[Problem]:
    try:
        found = read_pins(root)
    except StoreError as err:
        yield Problem(kind="pin", path="pins", expected="pins that can be read", found=str(err))
        return
    for each in found:
        if each.generation not in states.rows:
            path = f"pins/{each.name}.json"
            expected = f"generation {each.generation}"
            yield Problem(kind="pin", path=path, expected=expected, found=NOTHING)


def _pointers(root: Path, states: MirrorScan) -> Iterator[Problem]:
    """CURRENT names a whole generation, and `current` shows its view."""
    try:
        current = Generations(root).current()
    except StoreError as err:
        yield Problem(
            kind="pointer", path="CURRENT", expected="a generation's number", found=str(err)
        )
        return
    link = root / "current"
    target = os.readlink(link) if link.is_symlink() else NOTHING
    if current is None:
        if target != NOTHING or len(states.rows) + len(states.tombs) > 1:
            expected = "the number of a generation"
            yield Problem(kind="pointer", path="CURRENT", expected=expected, found=NOTHING)
        return
    expected = f"views/{current.number:06d}"
    if target != expected:
        yield Problem(kind="pointer", path="current", expected=expected, found=target)
    if current.is_pruned:
        told = f"generation {current.number}, pruned"
        yield Problem(kind="pointer", path="CURRENT", expected="a whole generation", found=told)
    if not view_folder(root, current.number).is_dir():
        yield Problem(kind="view", path=expected, expected="a view", found=NOTHING)


def _views(root: Path, states: MirrorScan, full: bool) -> Iterator[Problem]:
    """The current view, or each that stands, shows its generation's rows, and nothing else."""
    current = os.path.realpath(root / "current")
    for number, rows in states.rows.items():
        view = view_folder(root, number)
        if view.is_dir() and (full or os.path.realpath(view) == current):
            yield from _view_problems(view, rows, number, full)


def _view_problems(view: Path, rows: GenerationRows, number: int, full: bool) -> Iterator[Problem]:
    """Problems in all folders, or in those where a link was touched since the view was built."""
    folders = folders_of(rows.path)
    seen = {each for each in folders if full or not is_untouched(f"{view}/{each}", number)}
    if not seen:
        return
    missing = {
        path: sha256
        for path, sha256 in zip(rows.path, rows.sha256, strict=True)
        if (path.rpartition("/")[0] or ".") in seen
    }
    for path, target in _links(view, seen, folders):
        sha256 = missing.pop(path, None)
        expected = NOTHING if sha256 is None else link_target(path, sha256)
        if target != expected:
            yield _view_problem(view, path, expected, target)
    for path, sha256 in missing.items():
        yield _view_problem(view, path, link_target(path, sha256), NOTHING)


def _view_problem(view: Path, path: str, expected: str, found: str) -> Problem:
    return Problem(kind="view", path=f"views/{view.name}/{path}", expected=expected, found=found)


def _links(view: Path, seen: set[str], known: set[str]) -> Iterator[tuple[str, str]]:
    """(path, target) of what is in these folders and is no folder, or is in one nobody knows."""
    pending = [folder for folder in seen if os.path.isdir(f"{view}/{folder}")]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{view}/{folder}") as found:
            for each in found:
                path = each.name if folder == "." else f"{folder}/{each.name}"
                if each.is_symlink():
                    yield path, os.readlink(each.path)
                elif each.is_dir():
                    if path not in known:
                        pending.append(path)
                else:
                    yield path, "a file"


def _records(root: Path) -> Iterator[Problem]:
    """Records of provenance that cannot be read, or stand under another key."""
    provenance = Provenance(root)
    for path in sorted(provenance.folder.glob("*.json")):
        try:
            provenance.read(path.stem)
        except StoreError as err:
            place = f"provenance/{path.name}"
            expected = f"the record of key {path.stem}"
            yield Problem(kind="provenance", path=place, expected=expected, found=str(err))
