"""Pruning: giving up generations that no policy keeps, and the objects that only they name.

References go before objects: a tombstone says that a generation is given up, then its objects are
removed, then its manifest. Whoever takes over after a crash finds the manifest of a generation
with a tombstone, and so what was to go.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, sync_path
from jwmirror.core.jsonio import write
from jwmirror.core.model import Record
from jwmirror.core.model.maintenance import PrunedObject, Pruning, RetainedVersion
from jwmirror.store.access import report_page
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, MirrorLock, mirror_lock
from jwmirror.store.maintenance.retention import (
    MANIFEST,
    PRUNED,
    RetentionPolicy,
    Tombstone,
    retained_generations,
)
from jwmirror.store.maintenance.run_cleanup import fetch_receipts, find_leftovers
from jwmirror.store.maintenance.scan import MirrorScan, scan_mirror
from jwmirror.store.manifest import read_columns
from jwmirror.store.objects import Objects
from jwmirror.store.pins import pinned_generations
from jwmirror.store.provenance import Provenance
from jwmirror.store.view import remove_views

ASIDE = ".pruned"  # below objects/: what is being removed
STRAY_DAYS = 30  # so long stays what no generation ever named: a run may yet publish it


def plan_pruning(root: Path, policy: RetentionPolicy, now: datetime | None = None) -> Pruning:
    """What a policy removes; StoreError if the mirror is damaged: what is needed is not known."""
    root, now = Path(root), now or datetime.now(UTC)
    states = scan_mirror(root)
    _check(states)
    current = Generations(root).require_current()
    generations = list(states.generations.values())
    kept = retained_generations(generations, current.number, pinned_generations(root), policy, now)
    dropped = states.generations.keys() - kept.keys()
    runs = {g.facts.get("run", "") for n, g in states.generations.items() if n in kept}
    left = find_leftovers(root, runs, policy, now)
    newest = _newest(states, dropped)
    needed = _needed(states, kept, newest) | left.unpublished
    objects = tuple(_unneeded(root, states, needed, left.arrived, now))
    gone = {each.sha256 for each in objects}
    return Pruning(
        mirror=str(root),
        policy=str(policy),
        kept={str(number): why for number, why in kept.items()},
        generations=tuple(sorted(dropped)),
        newest={str(number): newest.get(number, ()) for number in sorted(dropped)},
        objects=objects,
        bytes=sum(each.size for each in objects),
        records=tuple(_lost_records(root, states, kept, gone)),
        folders=left.gone,
        files=(*_spent_receipts(root, left.orders, gone), *_pages(root, dropped)),
    )


def prune(root: Path, policy: RetentionPolicy, wait_s: float | None = 0.0) -> Pruning:
    """Remove what a policy does not keep; what was removed.

    It waits `wait_s` (None: as long as it takes) for a run under way and for who changes the
    mirror; then LockedError.
    After a crash anywhere every generation that stays is whole, and pruning again completes it.
    """
    root = Path(root)
    Generations(root).require_current()
    with (
        as_store_error("prune", "every generation that stays is whole"),
        mirror_lock(root, "prune", wait_s, RUN_LOCK),
        mirror_lock(root, "prune", wait_s) as held,
    ):
        _take_back(root)
        plan = plan_pruning(root, policy)
        held.check()
        _give_up(root, plan)
        _remove_objects(root, plan.objects, held)
        _remove_manifests(root)
        for key in plan.records:
            Provenance(root).path(key).unlink(missing_ok=True)
        failpoint("prune: records removed")
        for each in (*plan.files, *plan.folders):
            _remove(root / each)
        failpoint("prune: leavings removed")
    return plan


# ---- what goes -------------------------------------------------------------------------------


def _check(states: MirrorScan) -> None:
    if states.problems:
        first = states.problems[0]
        raise StoreError(
            f"{first.path}: expected {first.expected}, found {first.found}; what the mirror needs "
            f"is not known ({len(states.problems)} such problems), so nothing was pruned; see "
            "`jwmirror verify`, and take it back from a copy of the mirror."
        )


def _newest(states: MirrorScan, dropped: Collection[int]) -> dict[int, tuple[RetainedVersion, ...]]:
    """Generation to be dropped -> what it has that is the newest version of its product."""
    found: dict[int, list[RetainedVersion]] = {}
    for number, kept in states.newest().values():
        if number in dropped:
            found.setdefault(number, []).append(kept)
    return {number: tuple(rows) for number, rows in found.items()}


def _needed(
    states: MirrorScan, kept: dict[int, str], newest: dict[int, tuple[RetainedVersion, ...]]
) -> set[str]:
    """Every object that must stay: those of the generations that stay, and newest versions."""
    needed = states.outliving().keys() | {row.sha256 for rows in newest.values() for row in rows}
    return needed.union(*(states.rows[number].sha256 for number in kept))


def _unneeded(
    root: Path, states: MirrorScan, needed: set[str], arrived: Collection[str], now: datetime
) -> Iterator[PrunedObject]:
    """Objects on disk that a given up generation named; and strays that are old, and of no receipt.

    `arrived` is what receipts name that a run may yet publish.
    """
    named = {sha256 for rows in states.rows.values() for sha256 in rows.sha256}
    named |= {kept.sha256 for rows in states.tombs.values() for kept in rows}
    for number in states.tombs:
        manifest = root / "generations" / f"{number:06d}" / MANIFEST
        if manifest.exists():  # a prune that was stopped left it
            named |= set(read_columns(manifest, ["sha256"]).column("sha256"))
    old = (now - timedelta(days=STRAY_DAYS)).timestamp()
    for folder in sorted((root / "objects").glob("[0-9a-f][0-9a-f]")):
        for file in os.scandir(folder):
            found = file.stat()
            is_forgotten = found.st_mtime < old and file.name not in arrived
            if file.name not in needed and (file.name in named or is_forgotten):
                yield PrunedObject(sha256=file.name, size=found.st_size, touched=found.st_mtime_ns)


def _lost_records(
    root: Path, states: MirrorScan, kept: dict[int, str], gone: set[str]
) -> Iterator[str]:
    """Keys whose result loses an object, or has lost one, and that no kept generation shows.

    What a shown result was made of, result by result, stays on record: its access depends on it.
    """
    provenance, objects = Provenance(root), Objects(root)
    paths = sorted(provenance.folder.glob("*.json"))
    records = {path.stem: record for path in paths if (record := provenance.read(path.stem))}
    shown = {key for number in kept for key in states.rows[number].key}
    needed = _ancestry(records, shown)
    for key, record in records.items():
        files = record.files if key not in needed else ()
        if any(file.sha256 in gone or not objects.has(file.sha256) for file in files):
            yield key


def _ancestry(records: Mapping[str, Record], keys: Collection[str]) -> set[str]:
    """Return the keys, and those of the results that theirs were made of, result by result."""
    makers: dict[str, list[str]] = {}
    for key, record in records.items():
        for file in record.files:
            makers.setdefault(file.sha256, []).append(key)
    found, pending = set(keys), list(keys)
    while pending:
        record = records.get(pending.pop())
        for item in record.derivation.inputs if record else ():
            new = set(makers.get(item.sha256, ())) - found
            found |= new
            pending += new
    return found


def _spent_receipts(root: Path, orders: frozenset[str], gone: set[str]) -> Iterator[str]:
    """Fetch receipts of which no object stays, and that no run asks for that stays."""
    objects = Objects(root)
    for name, receipt in fetch_receipts(root):
        held = (v.sha256 for v in receipt.versions if v.sha256 not in gone)
        if name not in orders and not any(objects.has(sha256) for sha256 in held):
            yield f"receipts/fetch/{name}.json"


def _pages(root: Path, dropped: Collection[int]) -> list[str]:
    pages = (report_page(root, number) for number in sorted(dropped))
    return [str(page.relative_to(root)) for page in pages if page.is_file()]


# ---- removing it -----------------------------------------------------------------------------


def _give_up(root: Path, plan: Pruning) -> None:
    """Say of each generation that its rows are given up; then remove its view."""
    pruned_at = datetime.now(UTC).isoformat(timespec="seconds")
    for number in plan.generations:
        path = root / "generations" / f"{number:06d}" / PRUNED
        kept = plan.newest[str(number)]
        write(
            path,
            Tombstone(generation=number, pruned_at=pruned_at, policy=plan.policy, kept=kept),
        )
        failpoint("prune: generation given up")
    for grave in _graves(root):
        for torn in grave.parent.glob(f".{PRUNED}.*"):  # a prune that was stopped left it
            torn.unlink()
    remove_views(root, {each.number for each in Generations(root).unpruned()})
    failpoint("prune: views removed")


def _remove_objects(root: Path, objects: tuple[PrunedObject, ...], held: MirrorLock) -> None:
    """Remove objects, but for those that were taken in again since they were looked at.

    Each is moved aside first: who takes the same bytes in either finds it in place, and touches it,
    or does not find it, and puts his own there.
    """
    aside = root / "objects" / ASIDE
    aside.mkdir(exist_ok=True)
    for each in objects:
        held.check()
        place = Objects(root).path(each.sha256)
        with suppress(FileNotFoundError):
            moved = aside / each.sha256
            os.rename(place, moved)
            failpoint("prune: object moved aside")
            if moved.stat().st_mtime_ns != each.touched:
                _put_back(moved, place)
            else:
                moved.unlink()
            failpoint("prune: object removed")
    for folder in {Objects(root).path(each.sha256).parent for each in objects}:
        sync_path(folder)
    aside.rmdir()


def _take_back(root: Path) -> None:
    """Put back what a prune that was stopped had moved aside: it is judged anew."""
    aside = root / "objects" / ASIDE
    for moved in sorted(aside.glob("*")):
        _put_back(moved, Objects(root).path(moved.name))


def _put_back(moved: Path, place: Path) -> None:
    with suppress(FileExistsError):
        os.link(moved, place)
    moved.unlink()
    sync_path(place.parent)


def _remove_manifests(root: Path) -> None:
    """Remove the manifests of generations that were given up; their objects are gone."""
    for grave in _graves(root):
        manifest = grave.with_name(MANIFEST)
        if manifest.exists():
            manifest.unlink()
            sync_path(grave.parent)
            failpoint("prune: manifest removed")


def _graves(root: Path) -> list[Path]:
    """The tombstones of all generations that were given up."""
    return sorted(root.glob(f"generations/[0-9]*/{PRUNED}"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
