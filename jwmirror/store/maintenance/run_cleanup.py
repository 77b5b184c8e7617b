"""Receipts, logs and work folders of runs that may be removed: by each run, and by `prune`.

The store needs only the receipts of stopped runs: what these runs downloaded or computed is not
published yet, and named nowhere else.
"""

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from jwmirror.core.failpoints import failpoint
from jwmirror.core.jsonio import write
from jwmirror.core.mirror import RUN_ID_FORM
from jwmirror.core.model import Orders, Poll, References
from jwmirror.core.model.plan import LEVELS, PlansAhead, Published
from jwmirror.core.model.run import Confirmation
from jwmirror.store.lock import JOB_LOCK, LockWatch
from jwmirror.store.maintenance.retention import RetentionPolicy, is_younger
from jwmirror.store.runs import (
    HELD_BACK,
    RunFiles,
    fetch_receipts,
    newest_first,
    read_if_written,
    read_run,
    run_order,
    started_at,
    work_folders,
)

ADOPTED = "adopted."  # start of the name of a receipt of adopted files


# ---- by each run -------------------------------------------------------------------------------


def merge_unchanged(mirror: Path, run: str) -> None:
    """Delete the records and logs of a run that changed nothing; the run before it dates it.

    Any other run stays as it is. After a kill, call it again.
    """
    for hidden in (mirror / "receipts" / "runs").glob(".*"):
        if RUN_ID_FORM.fullmatch(hidden.name[1:]):
            shutil.rmtree(hidden, ignore_errors=True)
    files = RunFiles(mirror / "receipts" / "runs" / run)
    former_id = read_if_written(files.unchanged, str)
    poll = read_if_written(files.poll, Poll) if former_id else None
    former = RunFiles(files.folder.parent / f"{former_id}")
    if poll is None or not former.folder.is_dir():
        return
    before = read_if_written(former.confirmed, Confirmation) or Confirmation(at="", runs=0)
    at = max((listing.asked_at for listing in poll.listings), default="")
    if before.last != run:
        write(former.confirmed, Confirmation(at=at, runs=before.runs + 1, last=run))
    failpoint("unchanged: counted")
    _remove_run(mirror, run)


def remove_superseded(mirror: Path, run: str) -> None:
    """Delete the records and logs of the runs just before one that also found nothing to do.

    Nothing was ordered, computed or published by them, and the run, which has published, has all
    of their records that later runs read.
    """
    newer = RunFiles(mirror / "receipts" / "runs" / run)
    if not newer.published.exists():
        return
    for folder in newest_first(newer.folder.parent, before=newer.folder):
        older = RunFiles(folder)
        if not (_found_nothing(older) and _replaces(newer, older)):
            break
        _remove_run(mirror, folder.name)


def _found_nothing(run: RunFiles) -> bool:
    published = read_if_written(run.published, Published)
    has_jobs = run.attempts.exists() or any(run.batches(level) for level in LEVELS)
    is_idle = not (has_jobs or run.stopped.exists() or _orders(run.folder).products)
    return is_idle and published is not None and not published.is_new


def _replaces(newer: RunFiles, older: RunFiles) -> bool:
    """Return whether a run has listed, settled and synced what an older one has."""
    now, before = (read_if_written(run.poll, Poll) for run in (newer, older))
    is_listed = now is not None and before is not None and _listed(before) <= _listed(now)
    is_synced = _has_synced(newer) or not _has_synced(older)
    return is_listed and is_synced and newer.settling.exists()


def _listed(poll: Poll) -> set[int]:
    return {listing.program for listing in poll.listings}


def _remove_run(mirror: Path, run: str) -> None:
    """Delete the logs, then the records of a run, which disappear in one step."""
    shutil.rmtree(mirror / "logs" / run, ignore_errors=True)
    folder = mirror / "receipts" / "runs" / run
    hidden = folder.rename(folder.with_name(f".{run}"))
    failpoint("run: hidden")
    shutil.rmtree(hidden, ignore_errors=True)


# ---- by prune ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunRetention:
    """Objects and orders of the runs that stay, and the folders of the others."""

    unpublished: frozenset[str]  # sha256 of objects that stopped runs refer to, or held back
    arrived: frozenset[str]  # sha256 of objects that runs that stay ordered, or that were adopted
    orders: frozenset[str]  # names of the orders of the runs that stay
    removable: tuple[str, ...]  # folders, below the mirror


def find_needed_by_runs(
    root: Path, published: Collection[str], policy: RetentionPolicy, now: datetime
) -> RunRetention:
    """Return what of all runs stays; `published` are runs that made generations that stay."""
    root = Path(root)
    names = _runs(root)
    kept = _retained(root, names, published, policy, now)
    of_kept = (root / "receipts" / "runs" / name for name in names if name in kept)
    folders = [folder for folder in of_kept if folder.is_dir()]
    stopped = [folder for folder in folders if not RunFiles(folder).published.exists()]
    ended = [name for name in names if name not in kept]
    work = filter(_has_no_jobs, work_folders(root))  # the next run removes all of them
    records = (root / folder / name for name in ended for folder in ("receipts/runs", "logs"))
    orders = frozenset(name for folder in folders for name in _orders(folder).products)
    return RunRetention(
        unpublished=frozenset(
            [sha256 for f in stopped for sha256 in _objects_of(root, f)] + _held_back(folders)
        ),
        arrived=frozenset(_arrived(root, orders)),
        orders=orders,
        removable=tuple(str(p.relative_to(root)) for p in (*records, *work) if p.is_dir()),
    )


def _has_no_jobs(work: Path) -> bool:
    """Return whether no job of a killed run is at work in the run's work folder, as known here."""
    return all(LockWatch().is_free(file) for file in work.glob(f"*/{JOB_LOCK}/[!.]*"))


def _held_back(folders: Sequence[Path]) -> list[str]:
    """Return the objects that the newest run with a publication did not publish."""
    published = [RunFiles(folder) for folder in folders if RunFiles(folder).published.exists()]
    records = [read_if_written(run.held_back, HELD_BACK) or () for run in published[-1:]]
    return [file.sha256 for results in records for result in results for file in result.files]


def _arrived(root: Path, orders: Collection[str]) -> Iterator[str]:
    for name, receipt in fetch_receipts(root):
        if name in orders or name.startswith(ADOPTED):
            yield from (version.sha256 for version in receipt.versions)


def _runs(root: Path) -> list[str]:
    """Return the ids of the runs that have receipts or logs, oldest first."""
    folders = (root / "receipts" / "runs", root / "logs")
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    ids = (name for name in names if RUN_ID_FORM.fullmatch(name))
    return sorted(ids, key=lambda name: run_order(folders[0] / name))


def _retained(
    root: Path, names: list[str], published: Collection[str], policy: RetentionPolicy, now: datetime
) -> set[str]:
    """Return the runs that stay: by the policy, by their generations, or because they are read.

    The next run, `status` and `adopt` read the newest run, and the newest that published, that
    wrote settling.json, and that synced references.
    """
    kept = set(names) & set(published)
    kept |= set(names[-max(policy.keep_last or 0, 1) :])
    if policy.keep_days is not None:
        kept |= {name for name in names if is_younger(started_at(name), policy.keep_days, now)}
    newest_first = [RunFiles(root / "receipts" / "runs" / name) for name in reversed(names)]
    for runs in (
        (run for run in newest_first if run.published.exists()),
        (run for run in newest_first if run.settling.exists()),
        (run for run in newest_first if _has_synced(run)),
    ):
        kept |= {run.folder.name for run in islice(runs, 1)}
    return kept


def _has_synced(run: RunFiles) -> bool:
    references = read_if_written(run.references, References)
    return references is not None and bool(references.context)


def _objects_of(root: Path, folder: Path) -> Iterator[str]:
    """Yield the objects that a stopped run downloaded, computed, or planned as done."""
    run, files = read_run(folder), RunFiles(folder)
    ahead = (read_if_written(files.ahead(level), PlansAhead) for level in LEVELS)
    plans = chain(run.plans, *(record.plans for record in ahead if record))
    done = (result for plan in plans for result in plan.done)
    computed = (result for receipt in run.batch_receipts for result in receipt.results)
    yield from (file.sha256 for result in chain(done, computed) for file in result.files)
    wanted = {(c.product.uri, c.product.fingerprint) for c in run.changes if c.wants_bytes}
    for _, receipt in fetch_receipts(root) if wanted else ():
        for version in receipt.versions:
            if any((version.product.uri, text) in wanted for text in version.fingerprints):
                yield version.sha256


def _orders(folder: Path) -> Orders:
    return read_if_written(RunFiles(folder).orders, Orders) or Orders()
