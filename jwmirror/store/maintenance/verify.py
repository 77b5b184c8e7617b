"""Verification: whether a mirror on disk is as its records say.

The quick check covers the chain of generations, the sums of manifests, the length of every object,
who may read exclusive data, the records of results, the pins, the pointers, and the folders of the
current view that were changed since it was built. The full check also hashes every object, on all
cores, and reads every provenance record and every link of every view. Links are never followed.
"""

import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.model.maintenance import Problem, Verification
from jwmirror.store.generations import Generations
from jwmirror.store.losses import read_losses
from jwmirror.store.maintenance.scan import DENIED, GenerationRows, MirrorScan, scan_mirror
from jwmirror.store.objects import Objects, hash_files
from jwmirror.store.pins import HOLD_RECORD, read_hold, read_pins
from jwmirror.store.provenance import Provenance, read_slice_record, slice_paths
from jwmirror.store.view import folders_of, is_untouched, link_target, view_folder

NOTHING = "nothing"
NO_FILE = "no regular file"


def verify(root: Path, full: bool = False) -> Verification:
    """Return the problems of a mirror; change nothing. A mirror without generations has none."""
    root = Path(root)
    states = scan_mirror(root)
    named = states.named()
    problems = {*states.problems, *_pin_problems(root, states), *_pointer_problems(root, states)}
    problems |= {*_all_view_problems(root, states, full), *_missing_records(root, states)}
    if full or states.has_exclusive:
        problems |= {*_access_problems(root)}
    if full:
        damaged, sound = _damaged_objects(root)
        problems |= {*damaged, *_record_problems(root), *_slice_problems(root, sound)}
        problems |= {*_missing_objects(root, {s: named[s] for s in named.keys() - sound})}
    else:
        problems |= {*_missing_objects(root, named), *_slice_problems(root)}
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
    """Return the path of an object below the mirror."""
    return f"objects/{sha256[:2]}/{sha256}"


def _missing_objects(root: Path, named: dict[str, int]) -> Iterator[Problem]:
    """Yield objects that do not exist, or have another length."""
    lost = read_losses(root)
    for sha256, size in named.items():
        path = object_path(sha256)
        try:
            status = os.lstat(f"{root}/{path}")
        except OSError as err:
            found = _error(err)
            if sha256 in lost:
                found = f"{NOTHING}; lost: {lost[sha256].path}: {lost[sha256].why}"
            yield Problem("object", path, _length(size), found)
            continue
        if status.st_size != size or not stat.S_ISREG(status.st_mode):
            found = _length(status.st_size) if stat.S_ISREG(status.st_mode) else NO_FILE
            yield Problem("object", path, _length(size), found)


def _damaged_objects(root: Path) -> tuple[list[Problem], set[str]]:
    """Return the objects whose bytes have another sha256, needed or not; and the sound ones."""
    problems, sound = [], set()
    folders = sorted((root / "objects").glob("[0-9a-f][0-9a-f]"))
    files = [file for folder in folders for file in os.scandir(folder)]
    regular = [file.path for file in files if file.is_file(follow_symlinks=False)]
    for path in {file.path for file in files}.difference(regular):
        problems.append(
            Problem("object", os.path.relpath(path, root), os.path.basename(path), NO_FILE)
        )
    for path, sha256 in hash_files(regular):
        name = os.path.basename(path)
        if sha256 == name:
            sound.add(name)
            continue
        found = _error(sha256) if isinstance(sha256, OSError) else sha256
        problems.append(Problem("object", os.path.relpath(path, root), name, found))
    return problems, sound


def _slice_problems(root: Path, sound: Container[str] | None = None) -> Iterator[Problem]:
    """Yield records of slices of Gaia that cannot be read, or whose object is not there.

    `sound` are the objects whose bytes are right, if they were read.
    """
    for path in slice_paths(root):
        name = str(path.relative_to(root))
        try:
            record = read_slice_record(path)
        except StoreError as err:
            yield Problem("slice", name, "the record of a slice", f"an error ({err})")
            continue
        is_there = Objects(root).has(record.sha256, record.size)
        if not is_there or (sound is not None and record.sha256 not in sound):
            yield Problem("slice", name, object_path(record.sha256), "no such object, or damage")


def _access_problems(root: Path) -> Iterator[Problem]:
    """Yield files with exclusive data, or with numbers measured on them, that are not closed."""
    for path in Generations(root).access().wrongly_open():
        found = f"mode {stat.S_IMODE(path.lstat().st_mode):04o}"
        yield Problem("access", str(path.relative_to(root)), "closed to other users", found)


def _length(size: int) -> str:
    return f"{size} bytes"


def _error(err: OSError) -> str:
    return NOTHING if isinstance(err, FileNotFoundError) else str(err.strerror)


# ---- pins, pointers and views ----------------------------------------------------------------


def _pin_problems(root: Path, states: MirrorScan) -> Iterator[Problem]:
    """Yield pins that cannot be read, or whose generation does not exist."""
    try:
        pins = read_pins(root)
    except StoreError as err:
        yield Problem("pin", "pins", "pins that can be read", f"an error ({err})")
        return
    for pin in pins:
        if pin.generation not in states.rows:
            yield Problem("pin", f"pins/{pin.name}.json", f"generation {pin.generation}", NOTHING)


def _pointer_problems(root: Path, states: MirrorScan) -> Iterator[Problem]:
    """Yield problems unless CURRENT names an unpruned generation, and `current` shows its view."""
    try:
        current = Generations(root).current()
    except StoreError as err:
        yield Problem("pointer", "CURRENT", "the number of a generation", f"an error ({err})")
        return
    try:
        read_hold(root)
    except StoreError as err:
        yield Problem("hold", HOLD_RECORD, "the record of a hold", f"an error ({err})")
    link = root / "current"
    target = os.readlink(link) if link.is_symlink() else NOTHING
    if current is None:
        if target != NOTHING or len(states.rows) + len(states.tombs) > 1:
            yield Problem("pointer", "CURRENT", "the number of a generation", NOTHING)
        return
    expected = f"views/{current.number:06d}"
    if target != expected:
        yield Problem("pointer", "current", expected, target)
    if current.is_pruned:
        yield Problem(
            "pointer", "CURRENT", "an unpruned generation", f"generation {current.number}, pruned"
        )
    view = view_folder(root, current.number)
    if view.is_symlink() or not view.is_dir():
        found = f"a link to {os.readlink(view)}" if view.is_symlink() else NOTHING
        yield Problem("view", expected, "a view", found)


def _all_view_problems(root: Path, states: MirrorScan, full: bool) -> Iterator[Problem]:
    """Yield where the current view, or with `full` any view, differs from its generation's rows."""
    current = os.path.realpath(root / "current")
    for number, rows in states.rows.items():
        view = view_folder(root, number)
        is_view = view.is_dir() and not view.is_symlink()
        if is_view and (full or os.path.realpath(view) == current):
            yield from _view_problems(view, rows, number, full)


def _view_problems(view: Path, rows: GenerationRows, number: int, full: bool) -> Iterator[Problem]:
    """Yield the problems of all folders, or of those that changed since the view was built."""
    folders = folders_of(rows.path)
    seen = {folder for folder in folders if full or not is_untouched(f"{view}/{folder}", number)}
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
    return Problem("view", f"views/{view.name}/{path}", expected, found)


def _links(view: Path, seen: set[str], known: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (path, target) of the entries of some folders, and of unknown folders in them."""
    pending = [folder for folder in seen if _is_folder(view, folder)]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{view}/{folder}") as entries:
            for entry in entries:
                path = entry.name if folder == "." else f"{folder}/{entry.name}"
                if entry.is_symlink():
                    yield path, os.readlink(entry.path)
                elif entry.is_dir():
                    if path not in known:
                        pending.append(path)
                else:
                    yield path, "a file"


def _is_folder(view: Path, folder: str) -> bool:
    """Return whether a folder of a view exists, and no part of its path is a link."""
    path = view / folder
    return path.is_dir() and not any(
        part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(view)
    )


def _missing_records(root: Path, states: MirrorScan) -> Iterator[Problem]:
    """Yield the records that published results lack, unless the results do not exist, either."""
    keys = {
        key: sha256
        for rows in states.rows.values()
        for key, sha256 in zip(rows.key, rows.sha256, strict=True)
        if key
    }
    recorded = {path.stem for path in Provenance(root).folder.glob("*.json")}
    for key in sorted(keys.keys() - recorded):
        if os.path.lexists(root / object_path(keys[key])):
            path = f"provenance/{key}.json"
            yield Problem("provenance", path, f"the record of key {key}", NOTHING)


def _record_problems(root: Path) -> Iterator[Problem]:
    """Yield provenance records that cannot be read, or have another key than their names."""
    provenance = Provenance(root)
    for path in sorted(provenance.folder.glob("*.json")):
        try:
            provenance.read(path.stem)
        except ClosedError:
            yield Problem("provenance", f"provenance/{path.name}", "a record", DENIED)
        except StoreError as err:
            expected = f"the record of key {path.stem}"
            yield Problem("provenance", f"provenance/{path.name}", expected, f"an error ({err})")
