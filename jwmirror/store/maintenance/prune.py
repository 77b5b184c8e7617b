"""Pruning: remove generations that no policy keeps, and the objects that only they name.

References are removed before objects: a tombstone declares a generation pruned, then its objects
are removed, then its manifest. After a crash, a manifest beside a tombstone names the objects that
were to be removed.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import path_below, sync_path
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import write
from jwmirror.core.model.maintenance import PrunedObject, Pruning, RetainedVersion
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.store.access import report_path
from jwmirror.store.generations import Generations
from jwmirror.store.lock import MirrorLock, both_locks
from jwmirror.store.maintenance import retention
from jwmirror.store.maintenance.retention import MANIFEST, PRUNED, RetentionPolicy, Tombstone
from jwmirror.store.maintenance.run_cleanup import find_needed_by_runs
from jwmirror.store.maintenance.scan import MirrorScan, scan_mirror
from jwmirror.store.manifest import read_columns
from jwmirror.store.objects import Objects
from jwmirror.store.pins import pinned_generations, read_hold
from jwmirror.store.provenance import Provenance, read_slice_record, slice_paths, slices_of
from jwmirror.store.runs import fetch_receipts
from jwmirror.store.view import remove_views

ASIDE = ".pruned"  # folder below objects/ for what is being removed
STRAY_DAYS = 30  # an object that no generation named stays so long: a run may still publish it


def plan_pruning(root: Path, policy: RetentionPolicy, now: datetime | None = None) -> Pruning:
    """Return what a policy removes.

    Raises:
        StoreError: the mirror, or the record of a hold, is damaged, so that it is not known what is
            needed.
    """
    root, now = Path(root), now or datetime.now(UTC)
    states = scan_mirror(root)
    _check_undamaged(states)
    current = Generations(root).require_current()
    generations = list(states.generations.values())
    kept = retention.retained_generations(
        generations, current.number, pinned_generations(root), policy, now, read_hold(root)
    )
    dropped = states.generations.keys() - kept.keys()
    runs = {g.facts.get("run", "") for n, g in states.generations.items() if n in kept}
    leftovers = find_needed_by_runs(root, runs, policy, now)
    newest = _newest(states, dropped)
    needed = _needed(states, kept, newest) | leftovers.unpublished
    objects = tuple(_unneeded(root, states, needed, leftovers.arrived, now))
    gone = {pruned.sha256 for pruned in objects}
    records = _records(root)
    removable = tuple(_unneeded_records(root, records, states, kept, gone))
    staying = [record for key, record in records.items() if key not in removable]
    gone -= {*slices_of(staying), *(read_slice_record(path).sha256 for path in slice_paths(root))}
    objects = tuple(pruned for pruned in objects if pruned.sha256 in gone)
    return Pruning(
        mirror=str(root),
        policy=str(policy),
        kept={str(number): why for number, why in kept.items()},
        generations=tuple(sorted(dropped)),
        newest={str(number): newest.get(number, ()) for number in sorted(dropped)},
        objects=objects,
        bytes=sum(pruned.size for pruned in objects),
        records=removable,
        folders=leftovers.removable,
        files=(*_spent_receipts(root, leftovers.orders, gone), *_pages(root, dropped)),
    )


def prune(root: Path, policy: RetentionPolicy, wait_s: float | None = 0.0) -> Pruning:
    """Remove what a policy does not keep; return what was removed.

    After a crash every generation that stays is complete, and the next prune finishes the work.

    Raises:
        LockedError: a run or another change of the mirror did not end within `wait_s` seconds
            (None: wait without limit).
        StoreError: as `plan_pruning`.
    """
    root = Path(root)
    Generations(root).require_current()
    with both_locks(root, "prune", wait_s, "every generation that stays is complete") as lock:
        _restore_interrupted(root)
        plan = plan_pruning(root, policy)
        lock.check()
        _write_tombstones(root, plan)
        _remove_objects(root, plan.objects, lock)
        _remove_manifests(root)
        for key in plan.records:
            Provenance(root).path(key).unlink(missing_ok=True)
        failpoint("prune: records removed")
        for path in (*plan.files, *plan.folders):
            _remove(root / path)
        failpoint("prune: leftovers removed")
    return plan


# ---- what is removed -------------------------------------------------------------------------


def _check_undamaged(states: MirrorScan) -> None:
    if states.problems:
        first, number = states.problems[0], len(states.problems)
        raise StoreError(
            f"{first.path}: expected {first.expected}, found {first.found} ({number} damaged in "
            "all); so it is not known which stored files are still in use, and nothing was "
            f"pruned; use {as_typed('verify')}, and restore the file from a copy of the mirror."
        )


def _newest(states: MirrorScan, dropped: Collection[int]) -> dict[int, tuple[RetainedVersion, ...]]:
    """Return the newest versions of products that each dropped generation has, by number."""
    newest = group_by(states.newest().values(), itemgetter(0))
    return {n: tuple(version for _, version in newest[n]) for n in newest.keys() & dropped}


def _needed(
    states: MirrorScan, kept: dict[int, str], newest: dict[int, tuple[RetainedVersion, ...]]
) -> set[str]:
    """Return the objects of the generations that stay, and of the newest versions."""
    needed = states.outliving().keys() | {row.sha256 for rows in newest.values() for row in rows}
    return needed.union(*(states.rows[number].sha256 for number in kept))


def _unneeded(
    root: Path, states: MirrorScan, needed: set[str], arrived: Collection[str], now: datetime
) -> Iterator[PrunedObject]:
    """Yield unneeded objects that a generation named; and others if they are old.

    Objects that `arrived` and are named in no generation are kept: a run may still publish them.
    """
    named = {sha256 for rows in states.rows.values() for sha256 in rows.sha256}
    named |= {kept.sha256 for rows in states.tombs.values() for kept in rows}
    for number in states.tombs:
        manifest = root / "generations" / f"{number:06d}" / MANIFEST
        if manifest.exists():  # of an interrupted prune
            named |= set(read_columns(manifest, ["sha256"]).column("sha256"))
    old = (now - timedelta(days=STRAY_DAYS)).timestamp()
    for folder in sorted((root / "objects").glob("[0-9a-f][0-9a-f]")):
        path_below(root / "objects", f"{folder.name}/any", "prune")
        for file in os.scandir(folder):
            status = file.stat()
            is_stray = status.st_mtime < old and file.name not in arrived
            if file.name not in needed and (file.name in named or is_stray):
                size, touched = status.st_size, status.st_mtime_ns
                yield PrunedObject(sha256=file.name, size=size, touched=touched)


def _records(root: Path) -> dict[str, ProvenanceRecord]:
    """Return the provenance of all results, by key."""
    provenance = Provenance(root)
    paths = sorted(provenance.folder.glob("*.json"))
    return {path.stem: record for path in paths if (record := provenance.read(path.stem))}


def _unneeded_records(
    root: Path,
    records: Mapping[str, ProvenanceRecord],
    states: MirrorScan,
    kept: dict[int, str],
    gone: set[str],
) -> Iterator[str]:
    """Yield keys of results that lose or lost an object, and that no kept generation needs.

    A generation needs its results and what they were made from: their access depends on it.
    """
    objects = Objects(root)
    shown = {key for number in kept for key in states.rows[number].key}
    needed = _ancestry(records, shown)
    needed |= {records[key].replaced for key in needed if key in records}  # quality compares them
    for key, record in records.items():
        files = record.files if key not in needed else ()
        if any(file.sha256 in gone or not objects.has(file.sha256) for file in files):
            yield key


def _ancestry(records: Mapping[str, ProvenanceRecord], keys: Collection[str]) -> set[str]:
    """Return the keys, and those of all results that they were made from."""
    makers: dict[str, list[str]] = {}
    for key, record in records.items():
        for file in record.files:
            makers.setdefault(file.sha256, []).append(key)
    ancestry, pending = set(keys), list(keys)
    while pending:
        made = records.get(pending.pop())
        for item in made.derivation.inputs if made else ():
            new = set(makers.get(item.sha256, ())) - ancestry
            ancestry |= new
            pending += new
    return ancestry


def _spent_receipts(root: Path, orders: frozenset[str], gone: set[str]) -> Iterator[str]:
    """Yield the fetch receipts that no object and no order of a run needs any more."""
    objects = Objects(root)
    for name, receipt in fetch_receipts(root):
        rest = (v.sha256 for v in receipt.versions if v.sha256 not in gone)
        if name not in orders and not any(objects.has(sha256) for sha256 in rest):
            yield f"receipts/fetch/{name}.json"


def _pages(root: Path, dropped: Collection[int]) -> list[str]:
    pages = (report_path(root, number) for number in sorted(dropped))
    return [str(page.relative_to(root)) for page in pages if page.is_file()]


# ---- removal ---------------------------------------------------------------------------------


def _write_tombstones(root: Path, plan: Pruning) -> None:
    """Declare generations pruned; then remove their views."""
    pruned_at = datetime.now(UTC).isoformat(timespec="seconds")
    for number in plan.generations:
        path = path_below(root / "generations", f"{number:06d}/{PRUNED}", "prune")
        kept = plan.newest[str(number)]
        record = Tombstone(generation=number, pruned_at=pruned_at, policy=plan.policy, kept=kept)
        write(path, record)
        failpoint("prune: generation given up")
    for tombstone in _tombstones(root):
        for torn in tombstone.parent.glob(f".{PRUNED}.*"):  # of an interrupted prune
            torn.unlink()
    remove_views(root, {generation.number for generation in Generations(root).unpruned()})
    failpoint("prune: views removed")


def _remove_objects(root: Path, objects: tuple[PrunedObject, ...], lock: MirrorLock) -> None:
    """Remove objects, except those that were taken in again since the plan was made.

    Each is moved to another folder first. A process that takes the same bytes in meanwhile either
    finds the object and touches it, or does not find it and adds its own.
    """
    aside = root / "objects" / ASIDE
    aside.mkdir(exist_ok=True)
    for pruned in objects:
        lock.check()
        path, moved = Objects(root).path(pruned.sha256), aside / pruned.sha256
        with suppress(FileNotFoundError):
            os.rename(path, moved)
            failpoint("prune: object moved away")
            if moved.stat().st_mtime_ns != pruned.touched:
                _put_back(moved, path)
            else:
                moved.unlink()
            failpoint("prune: object removed")
    for folder in {Objects(root).path(pruned.sha256).parent for pruned in objects}:
        sync_path(folder)
    aside.rmdir()


def _restore_interrupted(root: Path) -> None:
    """Put back what an interrupted prune had moved: it may be needed again."""
    aside = root / "objects" / ASIDE
    for moved in sorted(aside.glob("*")):
        _put_back(moved, Objects(root).path(moved.name))


def _put_back(moved: Path, path: Path) -> None:
    with suppress(FileExistsError):
        os.link(moved, path)
    moved.unlink()
    sync_path(path.parent)


def _remove_manifests(root: Path) -> None:
    """Remove the manifests of pruned generations, whose objects are removed by now."""
    for tombstone in _tombstones(root):
        manifest = tombstone.with_name(MANIFEST)
        if manifest.exists():
            manifest.unlink()
            sync_path(tombstone.parent)
            failpoint("prune: manifest removed")


def _tombstones(root: Path) -> list[Path]:
    """Return the tombstones of all pruned generations."""
    return sorted(root.glob(f"generations/[0-9]*/{PRUNED}"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
