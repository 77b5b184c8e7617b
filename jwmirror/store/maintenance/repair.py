"""Repair: correct what verification found, as far as possible, and report what was done.

Objects that MAST still has unchanged are downloaded again. Damaged results are removed, so that the
next run computes them again. Views and pointers are rebuilt. Damaged bytes are never deleted: they
are moved to quarantine/.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import (
    make_private,
    path_below,
    replace_symlink,
    restrict,
    sync_path,
    write_bytes,
)
from jwmirror.core.model import Entry, Failure, Product, Version
from jwmirror.core.model.maintenance import Problem, RepairOutcome, RepairReport
from jwmirror.store.generations import Generations
from jwmirror.store.lock import both_locks
from jwmirror.store.losses import Loss, read_losses, record_loss, remove_loss
from jwmirror.store.maintenance.scan import DENIED, scan_mirror
from jwmirror.store.maintenance.verify import NOTHING, verify
from jwmirror.store.manifest import entries_of
from jwmirror.store.objects import CLOSED, OPEN, Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.view import view_folder

Arrival = tuple[Version, Path]  # a verified product, and the file with its bytes
Refetch = Callable[[Sequence[Product]], Iterable[Arrival | Failure]]

REFETCH, REMAKE, REBUILD, ASIDE, TELL = "refetch", "remake", "rebuild", "quarantine", "report"
CLOSE = "close"
PREVIEW = {  # act -> what would be done
    REFETCH: "with --config it would be downloaded again, if MAST lists it unchanged",
    REMAKE: "its record would be removed, so that the next run computes it again",
    REBUILD: "would be rebuilt",
    ASIDE: "would be moved to quarantine/",
    CLOSE: "would be closed to other users",
}


@dataclass(frozen=True, kw_only=True)
class RepairStep:
    """One problem, and the act that repairs it."""

    problem: Problem
    act: str  # a key of PREVIEW, or TELL
    entry: Entry | None = None  # of an object: the newest row that names it


def plan_repair(root: Path, full: bool = False) -> tuple[RepairStep, ...]:
    """Return a step for each problem that `verify` finds."""
    problems = verify(root, full).problems
    wanted = {Path(problem.path).name for problem in problems if problem.kind == "object"}
    rows = _rows(root, wanted)
    outliving = scan_mirror(root).outliving().keys() if wanted else ()
    return tuple(_step(problem, rows, outliving) for problem in problems)


def preview_repair(root: Path, full: bool = False) -> RepairReport:
    """Return what a repair would try."""
    outcomes = (
        RepairOutcome(problem=step.problem, is_mended=False, done=_preview(step))
        for step in plan_repair(root, full)
    )
    return RepairReport(mirror=str(root), is_full=full, outcomes=tuple(outcomes))


def _preview(step: RepairStep) -> str:
    return _advice(step.problem) if step.act == TELL else PREVIEW[step.act]


def repair(
    root: Path,
    full: bool = False,
    refetch: Refetch | None = None,
    group: str | None = None,
    wait_s: float | None = 0.0,
) -> RepairReport:
    """Repair a mirror. `refetch` downloads products again; without it MAST is not asked.

    An object that cannot be restored is recorded as lost: its rows stay, and publication goes on.

    Raises:
        LockedError: another process works on the mirror, and did not end within `wait_s` seconds.
        StoreError: there is no generation, or the disk refused.
    """
    root = Path(root)
    if not Generations(root).folder.is_dir():
        raise StoreError(f"{root}: there is no generation, so there is nothing to repair.")
    with both_locks(root, "repair", wait_s, "what was not repaired yet is unchanged"):
        steps = plan_repair(root, full)
        outcomes = [_repaired(root, step, group) for step in steps if step.act != REFETCH]
        outcomes += _refetched(root, steps, refetch, group)
        for sha256, loss in read_losses(root).items():
            if Objects(root).has(sha256, loss.size):
                remove_loss(root, sha256)
    return RepairReport(
        mirror=str(root),
        is_full=full,
        outcomes=tuple(sorted(outcomes, key=lambda outcome: outcome.problem)),
    )


def _rows(root: Path, wanted: set[str]) -> dict[str, Entry]:
    """Return the newest row of each of the wanted objects, by sha256."""
    rows: dict[str, Entry] = {}
    for generation in reversed(Generations(root).unpruned()) if wanted else ():
        try:
            sums = generation.columns("sha256").column("sha256")
        except StoreError:  # it is damaged, which is another problem
            continue
        places = [n for n, sha256 in enumerate(sums) if sha256 in wanted - rows.keys()]
        entries = generation.entries() if places else ()
        for place in places:
            rows.setdefault(sums[place], entries[place])
    return rows


def _step(problem: Problem, rows: dict[str, Entry], outliving: Collection[str]) -> RepairStep:
    """Return what to do about a problem; `outliving` are objects of pruned generations."""
    if problem.found == DENIED:  # perhaps it is not damaged: do not move it
        return RepairStep(problem=problem, act=TELL)
    entry = rows.get(Path(problem.path).name) if problem.kind == "object" else None
    if entry is not None:
        return RepairStep(problem=problem, act=REMAKE if entry.key else REFETCH, entry=entry)
    if problem.kind == "object" and Path(problem.path).name in outliving:
        return RepairStep(problem=problem, act=TELL)
    if problem.kind == "provenance" and problem.found == NOTHING:
        return RepairStep(problem=problem, act=TELL)
    acts = {
        "object": ASIDE,
        "provenance": ASIDE,
        "slice": ASIDE,
        "view": REBUILD,
        "pointer": REBUILD,
        "access": CLOSE,
    }
    return RepairStep(problem=problem, act=acts.get(problem.kind, TELL))


# ---- without MAST ----------------------------------------------------------------------------


def _repaired(root: Path, step: RepairStep, group: str | None) -> RepairOutcome:
    """Take a step that does not need MAST."""
    problem = step.problem
    try:
        _place(root, problem)
        if step.act == CLOSE:
            restrict(root / problem.path, group)
            return RepairOutcome(problem=problem, is_mended=True, done="closed to other users")
    except StoreError as err:
        return RepairOutcome(problem=problem, is_mended=False, done=f"not repaired: {err}")
    if step.act == REMAKE and step.entry:
        return _result_removed(root, problem, step.entry)
    if step.act == ASIDE:
        place = _quarantine(root, problem)
        done = f"moved to {place}; the next run makes it again" if place else "it does not exist"
        return RepairOutcome(problem=problem, is_mended=True, done=done)
    if step.act == REBUILD:
        return _rebuilt(root, problem)
    return RepairOutcome(problem=problem, is_mended=False, done=_advice(problem))


def _advice(problem: Problem) -> str:
    """Return what the user can do about a problem that a repair cannot solve."""
    if problem.found == DENIED:
        return "not changed: a user who may read it has to verify it"
    if problem.kind == "pin" and problem.found == NOTHING:
        return f"not repaired: use {as_typed(f'unpin {Path(problem.path).stem}')}"
    if problem.kind == "hold":
        again = as_typed("rollback current --hold")
        return f"not repaired: use {as_typed('release')}, and {again} again"
    step = "not repaired: restore it from a copy of the mirror"
    if problem.kind == "provenance" and problem.found == NOTHING:
        step += ", or let the next run make it again"
    return step


def _result_removed(root: Path, problem: Problem, entry: Entry) -> RepairOutcome:
    """Remove the record of a result that lost an object, so that the result is computed again."""
    place = _quarantine(root, problem)
    Provenance(root).path(entry.key).unlink(missing_ok=True)
    failpoint("repair: record removed")
    _record_loss(root, entry, "a result of recalibration; the next run makes it again")
    moved = f"moved to {place}; " if place else ""
    done = f"{moved}record {entry.key[:12]} removed: the next run makes {entry.path} again"
    return RepairOutcome(problem=problem, is_mended=False, done=done)


def _place(root: Path, problem: Problem) -> Path:
    """Return the path of what a problem concerns. StoreError if a link leads to it."""
    folder, slash, path = problem.path.partition("/")  # the folder may be on another disk
    if not slash:
        return path_below(root, folder, "a problem to repair")
    return path_below(root / folder, path, "a problem to repair")


def _quarantine(root: Path, problem: Problem) -> str:
    """Move a damaged file to quarantine/, with the reason beside it; "" if it does not exist."""
    damaged = _place(root, problem)
    if not os.path.lexists(damaged):
        return ""
    folder = make_private(root / "quarantine")
    place = folder / f"{damaged.name[:150]}.damaged"
    number = 1
    while os.path.lexists(place):
        number += 1
        place = folder / f"{damaged.name[:150]}.{number}.damaged"
    why = f"{problem.path}: expected {problem.expected}, found {problem.found}\n"
    write_bytes(place.with_name(f"{place.name}.reason"), why.encode())
    os.rename(damaged, place)
    sync_path(folder)
    sync_path(damaged.parent)
    failpoint("repair: damaged file moved away")
    return f"quarantine/{place.name}"


def _rebuilt(root: Path, problem: Problem) -> RepairOutcome:
    """Correct a pointer, or a link of a view."""
    parts = Path(problem.path).parts
    if problem.path == "CURRENT":
        number = _best(root)
        if number is None:
            done = "not repaired: no generation is complete; restore one from a copy of the mirror"
            return RepairOutcome(problem=problem, is_mended=False, done=done)
        write_bytes(root / "CURRENT", f"{number}\n".encode())
        failpoint("repair: CURRENT written")
        Generations(root).repair_pointers()
        done = f"it names generation {number} now"
    elif len(parts) > 2 and view_folder(root, int(parts[1])).is_dir():
        done = _link_rebuilt(root, problem)
    else:
        if problem.kind == "view":  # a link in its place, if there is anything
            _quarantine(root, problem)
        Generations(root).repair_pointers()
        done = "rebuilt from CURRENT and its generation"
    failpoint("repair: rebuilt")
    return RepairOutcome(problem=problem, is_mended=True, done=done)


def _link_rebuilt(root: Path, problem: Problem) -> str:
    """Correct a link of a view in one rename; move what does not belong there to quarantine/."""
    place = ""
    if problem.expected == NOTHING or problem.found == "a file":
        place = _quarantine(root, problem)
    if problem.expected != NOTHING:
        link = _place(root, problem)
        link.parent.mkdir(parents=True, exist_ok=True)
        replace_symlink(link, problem.expected)
    return f"moved to {place}" if place else "linked again"


def _best(root: Path) -> int | None:
    """Return the generation that `current` shows if it is complete, else the newest that is."""
    link = root / "current"
    shown = os.path.basename(os.readlink(link)) if link.is_symlink() else ""
    complete = []
    for number in Generations(root).numbers():
        with suppress(StoreError):
            Generations(root).read_unpruned(number).columns("path")
            complete.append(number)
    if shown.isdigit() and int(shown) in complete:
        return int(shown)
    return max(complete, default=None)


# ---- with MAST -------------------------------------------------------------------------------


def _refetched(
    root: Path, steps: Sequence[RepairStep], refetch: Refetch | None, group: str | None
) -> Iterator[RepairOutcome]:
    """Move damaged bytes to quarantine/, take in what MAST has unchanged, record what is lost."""
    lost = [(step.problem, step.entry) for step in steps if step.act == REFETCH and step.entry]
    places = {entry.sha256: _quarantine(root, problem) for problem, entry in lost}
    objects = Objects(root, group)
    reasons = (
        _take_in(root, objects, [entry for _, entry in lost], refetch) if refetch and lost else {}
    )
    default = (
        "MAST was not asked: give --config FILE" if refetch is None else "MAST no longer lists it"
    )
    for problem, entry in lost:
        place = places[entry.sha256]
        moved = f"; the damaged bytes are in {place}" if place else ""
        if objects.has(entry.sha256, entry.size):
            done = f"downloaded again from MAST{moved}"
            yield RepairOutcome(problem=problem, is_mended=True, done=done)
            continue
        why = reasons.get(entry.upstream.filename, default)
        if refetch is not None:
            _record_loss(root, entry, why)
        done = f"lost, {entry.path}: {why}{moved}; restore it from a copy of the mirror"
        yield RepairOutcome(problem=problem, is_mended=False, done=done)


def _take_in(
    root: Path, objects: Objects, lost: Sequence[Entry], refetch: Refetch
) -> dict[str, str]:
    """Take in what MAST has unchanged; return why not, by file name, of the others."""
    reasons: dict[str, str] = {}
    wanted = {(entry.upstream.uri, entry.sha256) for entry in lost}
    access = Generations(root).access()
    closed = {sha256 for entry in lost for sha256 in access.closed(entries_of([entry]))}
    for arrival in refetch([entry.upstream for entry in lost]):
        if isinstance(arrival, Failure):
            reasons[arrival.name] = arrival.message
            continue
        version, path = arrival
        if (version.product.uri, version.sha256) in wanted:
            is_closed = version.sha256 in closed or version.product.is_closed
            objects.add(path, version.sha256, CLOSED if is_closed else OPEN)
            failpoint("repair: object taken in")
        else:
            path.unlink()
            reasons[version.product.filename] = f"MAST has other bytes of it now ({version.sha256})"
    return reasons


def _record_loss(root: Path, entry: Entry, why: str) -> None:
    found_at = datetime.now(UTC).isoformat(timespec="seconds")
    loss = Loss(sha256=entry.sha256, size=entry.size, path=entry.path, why=why, found_at=found_at)
    record_loss(root, loss)
    failpoint("repair: loss written down")
