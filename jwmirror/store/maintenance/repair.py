"""Repair: mending what verification found, as far as it can be mended; what was done is told.

Objects that MAST still has unchanged are fetched again. Results give way, so that the next run
makes them again. Views and pointers are rebuilt. Damaged bytes go to quarantine/, never away.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, replace_symlink, sync_path, write_bytes
from jwmirror.core.model import Entry, Failure, Product, Version
from jwmirror.core.model.maintenance import Problem, RepairOutcome, RepairReport
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.losses import Loss, read_losses, record_loss, remove_loss
from jwmirror.store.maintenance.scan import scan_mirror
from jwmirror.store.maintenance.verify import DENIED, NOTHING, verify
from jwmirror.store.manifest import entries_of
from jwmirror.store.objects import CLOSED, OPEN, Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.view import view_folder

Arrival = tuple[Version, Path]  # a product's bytes, verified, in a file that is ours
Refetch = Callable[[Sequence[Product]], Iterable[Arrival | Failure]]

REFETCH, REMAKE, REBUILD, ASIDE, TELL = "refetch", "remake", "rebuild", "put aside", "tell"


@dataclass(frozen=True, kw_only=True)
class RepairStep:
    """What is to be done about one problem."""

    problem: Problem
    act: str  # one of the five above
    entry: Entry | None = None  # of an object: the newest row that names it


def plan_repair(root: Path, full: bool = False) -> tuple[RepairStep, ...]:
    """What is wrong, and what can be done about it."""
    problems = verify(root, full).problems
    wanted = {Path(each.path).name for each in problems if each.kind == "object"}
    rows = _rows(root, wanted)
    last = scan_mirror(root).outliving().keys() if wanted else ()
    return tuple(_step(each, rows, last) for each in problems)


def repair(
    root: Path,
    full: bool = False,
    refetch: Refetch | None = None,
    group: str | None = None,
    wait_s: float | None = 0.0,
) -> RepairReport:
    """Mend a mirror; it waits as prune does. `refetch` asks MAST; without it nobody does.

    What can be had from nowhere is written down as lost: its rows stay, and publications go on.
    """
    root = Path(root)
    if not Generations(root).folder.is_dir():
        raise StoreError(f"{root}: no generation is there; there is nothing to repair.")
    with (
        as_store_error("repair", "what was not mended yet is as it was"),
        mirror_lock(root, "repair", wait_s, RUN_LOCK),
        mirror_lock(root, "repair", wait_s),
    ):
        steps = plan_repair(root, full)
        outcomes = [_mended(root, step) for step in steps if step.act != REFETCH]
        outcomes += _refetched(root, [s for s in steps if s.act == REFETCH], refetch, group)
        for sha256, loss in read_losses(root).items():
            if Objects(root).has(sha256, loss.size):
                remove_loss(root, sha256)
    return RepairReport(
        mirror=str(root),
        is_full=full,
        outcomes=tuple(sorted(outcomes, key=lambda each: each.problem)),
    )


def preview_repair(root: Path, full: bool = False) -> RepairReport:
    """What a repair would try, told as its outcomes are."""
    words = {
        REFETCH: "would be fetched again, if MAST has it unchanged",
        REMAKE: "would give way, so that the next run makes it again",
        REBUILD: "would be rebuilt",
        ASIDE: "would be moved to quarantine/",
        TELL: "cannot be mended: take it back from a copy of the mirror",
    }
    outcomes = (
        RepairOutcome(problem=step.problem, is_mended=False, done=words[step.act])
        for step in plan_repair(root, full)
    )
    return RepairReport(mirror=str(root), is_full=full, outcomes=tuple(outcomes))


def _rows(root: Path, wanted: set[str]) -> dict[str, Entry]:
    """sha256 -> the newest row that names it."""
    found: dict[str, Entry] = {}
    for generation in reversed(Generations(root).unpruned()) if wanted else ():
        try:
            sums = generation.columns("sha256").column("sha256")
        except StoreError:  # damaged, and told as such
            continue
        places = [n for n, sha256 in enumerate(sums) if sha256 in wanted - found.keys()]
        entries = generation.entries() if places else ()
        for place in places:
            found.setdefault(sums[place], entries[place])
    return found


def _step(problem: Problem, rows: dict[str, Entry], last: Collection[str]) -> RepairStep:
    """What to do about a problem; `last` are objects that outlive their generations."""
    if problem.found == DENIED:  # not damaged, as far as we can tell: nothing is put aside
        return RepairStep(problem=problem, act=TELL)
    entry = rows.get(Path(problem.path).name) if problem.kind == "object" else None
    if entry is not None:
        return RepairStep(problem=problem, act=REMAKE if entry.key else REFETCH, entry=entry)
    if problem.kind == "object" and Path(problem.path).name in last:
        return RepairStep(problem=problem, act=TELL)
    act = {"object": ASIDE, "provenance": ASIDE, "view": REBUILD, "pointer": REBUILD}
    return RepairStep(problem=problem, act=act.get(problem.kind, TELL))


# ---- what needs nobody else ------------------------------------------------------------------


def _mended(root: Path, step: RepairStep) -> RepairOutcome:
    """Do what is to be done about a problem; the outcome says so."""
    problem = step.problem
    if step.act == REMAKE:
        return _given_way(root, step)
    if step.act == ASIDE:
        where = _put_aside(root, problem)
        told = f"moved to {where}; the next run has it anew" if where else "it is not there"
        return RepairOutcome(problem=problem, is_mended=True, done=told)
    if step.act == REBUILD:
        return _rebuilt(root, problem)
    copy = "not mended: take it back from a copy of the mirror"
    name = Path(problem.path).stem
    told = f"not mended: `jwmirror unpin {name}`" if problem.kind == "pin" else copy
    if problem.found == DENIED:
        told = "left as it is: who may read it has to verify it"
    return RepairOutcome(problem=problem, is_mended=False, done=told)


def _given_way(root: Path, step: RepairStep) -> RepairOutcome:
    """Let a result that lost an object be made again: its record goes, its row is told as lost."""
    where = _put_aside(root, step.problem)
    Provenance(root).path(step.entry.key).unlink(missing_ok=True)
    failpoint("repair: record removed")
    _lose(root, step.entry, "a result of recalibration; the next run makes it again")
    moved = f"moved to {where}; " if where else ""
    told = (
        f"{moved}record {step.entry.key[:12]} removed: the next run makes {step.entry.path} again"
    )
    return RepairOutcome(problem=step.problem, is_mended=False, done=told)


def _put_aside(root: Path, problem: Problem) -> str:
    """Move a damaged file to quarantine/, with its reason beside it; "" if it is not there."""
    damaged = root / problem.path
    if not os.path.lexists(damaged):
        return ""
    folder = root / "quarantine"
    folder.mkdir(exist_ok=True)
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
    failpoint("repair: damaged file put aside")
    return f"quarantine/{place.name}"


def _rebuilt(root: Path, problem: Problem) -> RepairOutcome:
    """Let a pointer or a row of a view be what it must be."""
    parts = Path(problem.path).parts
    if problem.path == "CURRENT":
        number = _best(root)
        if number is None:
            told = "not mended: no generation is whole; take one back from a copy of the mirror"
            return RepairOutcome(problem=problem, is_mended=False, done=told)
        write_bytes(root / "CURRENT", f"{number}\n".encode())
        failpoint("repair: CURRENT written")
        Generations(root).repair_pointers()
        done = f"it names generation {number} now"
    elif len(parts) > 2 and view_folder(root, int(parts[1])).is_dir():
        done = _row_rebuilt(root, problem)
    else:
        Generations(root).repair_pointers()
        done = "rebuilt from CURRENT and its generation"
    failpoint("repair: rebuilt")
    return RepairOutcome(problem=problem, is_mended=True, done=done)


def _row_rebuilt(root: Path, problem: Problem) -> str:
    """One row of a view, in one rename; what does not belong there is put aside."""
    where = ""
    if problem.expected == NOTHING or problem.found == "a file":
        where = _put_aside(root, problem)
    if problem.expected != NOTHING:
        (root / problem.path).parent.mkdir(parents=True, exist_ok=True)
        replace_symlink(root / problem.path, problem.expected)
    return f"moved to {where}" if where else "linked again"


def _best(root: Path) -> int | None:
    """The generation that `current` shows, if it is whole; else the newest that is."""
    link = root / "current"
    shown = os.path.basename(os.readlink(link)) if link.is_symlink() else ""
    whole = []
    for folder in sorted(root.glob("generations/[0-9]*")):
        try:
            generation = Generations(root).read_unpruned(int(folder.name))
            generation.columns("path")
        except StoreError:
            continue
        whole.append(generation.number)
    if shown.isdigit() and int(shown) in whole:
        return int(shown)
    return max(whole, default=None)


# ---- what MAST may still have ----------------------------------------------------------------


def _refetched(
    root: Path, steps: Sequence[RepairStep], refetch: Refetch | None, group: str | None
) -> Iterator[RepairOutcome]:
    """Put damaged bytes aside, take in what MAST gives again, and write down what is lost."""
    asides = {step.entry.sha256: _put_aside(root, step.problem) for step in steps}
    products = [step.entry.product for step in steps]
    wanted = {(s.entry.product.uri, s.entry.sha256) for s in steps}
    told: dict[str, str] = {}  # file name -> why MAST's bytes were not taken
    objects, access = Objects(root, group), Generations(root).access()
    closed = {sha for step in steps for sha in access.closed(entries_of([step.entry]))}
    for each in refetch(products) if refetch and products else ():
        if isinstance(each, Failure):
            told[each.name] = each.message
            continue
        version, path = each
        if (version.product.uri, version.sha256) in wanted:
            objects.take(path, version.sha256, CLOSED if version.sha256 in closed else OPEN)
            failpoint("repair: object taken in")
        else:
            path.unlink()
            told[version.product.filename] = f"MAST has other bytes of it now ({version.sha256})"
    nobody = "MAST was not asked: name a config" if refetch is None else "MAST has it no longer"
    for step in steps:
        entry, where = step.entry, asides[step.entry.sha256]
        moved = f"; the damaged bytes are in {where}" if where else ""
        if objects.has(entry.sha256, entry.size):
            done = f"fetched again from MAST{moved}"
            yield RepairOutcome(problem=step.problem, is_mended=True, done=done)
            continue
        why = told.get(entry.product.filename, nobody)
        if refetch is not None:
            _lose(root, entry, why)
        done = f"lost, {entry.path}: {why}{moved}; take it back from a copy of the mirror"
        yield RepairOutcome(problem=step.problem, is_mended=False, done=done)


def _lose(root: Path, entry: Entry, why: str) -> None:
    found_at = datetime.now(UTC).isoformat(timespec="seconds")
    record_loss(
        root,
        Loss(sha256=entry.sha256, size=entry.size, path=entry.path, why=why, found_at=found_at),
    )
    failpoint("repair: loss written down")
