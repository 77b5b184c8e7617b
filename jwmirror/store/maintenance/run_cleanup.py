"""Which receipts, logs and work folders of runs may be removed.

The store needs only the receipts of stopped runs: what these runs downloaded or computed is not
published yet, and named nowhere else.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read
from jwmirror.core.model import LEVELS, Orders, Plan, PlansAhead, Poll, Receipt, References
from jwmirror.store.maintenance.retention import RetentionPolicy, is_younger
from jwmirror.store.runs import RunFiles

T = TypeVar("T")
RUN = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-\d+")
ADOPTED = "adopted."  # start of the name of a receipt of adopted files


@dataclass(frozen=True, kw_only=True)
class RunLeftovers:
    """What the runs that stay refer to, and the folders of the others."""

    unpublished: frozenset[str]  # sha256 of objects that stopped runs refer to
    arrived: frozenset[str]  # sha256 of objects that runs that stay ordered, or that were adopted
    orders: frozenset[str]  # names of the orders of the runs that stay
    removable: tuple[str, ...]  # folders, below the mirror


def find_leftovers(
    root: Path, published: Collection[str], policy: RetentionPolicy, now: datetime
) -> RunLeftovers:
    """Return what of all runs stays; `published` are runs that made generations that stay."""
    root = Path(root)
    names = _runs(root)
    kept = _retained(root, names, published, policy, now)
    folders = [f for name in sorted(kept) if (f := root / "receipts" / "runs" / name).is_dir()]
    stopped = [folder for folder in folders if not RunFiles(folder).published.exists()]
    work = sorted(root.glob("work/*"))  # of runs that were killed; the next run removes them, too
    ended = [name for name in names if name not in kept]
    records = (root / folder / name for name in ended for folder in ("receipts/runs", "logs"))
    orders = frozenset(name for folder in folders for name in _orders(folder).products)
    return RunLeftovers(
        unpublished=frozenset(sha256 for f in stopped for sha256 in _objects_of(root, f)),
        arrived=frozenset(_arrived(root, orders)),
        orders=orders,
        removable=tuple(str(p.relative_to(root)) for p in (*records, *work) if p.is_dir()),
    )


def fetch_receipts(root: Path) -> Iterator[tuple[str, Receipt]]:
    """Yield the receipts of all fetches, with the names of their orders."""
    for path in sorted(Path(root).glob("receipts/fetch/*.json")):
        yield path.stem, _read(path, Receipt)


def _arrived(root: Path, orders: Collection[str]) -> Iterator[str]:
    for name, receipt in fetch_receipts(root):
        if name in orders or name.startswith(ADOPTED):
            yield from (version.sha256 for version in receipt.versions)


def _runs(root: Path) -> list[str]:
    """Return the ids of the runs that have receipts or logs, oldest first."""
    folders = (root / "receipts" / "runs", root / "logs")
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    return sorted(name for name in names if RUN.fullmatch(name))


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
        kept |= {name for name in names if is_younger(_started(name), policy.keep_days, now)}
    newest_first = [root / "receipts" / "runs" / name for name in reversed(names)]
    for is_read in (_has_published, _has_settling, _has_synced):
        kept |= {next((folder.name for folder in newest_first if is_read(folder)), "")}
    return kept - {""}


def _has_published(folder: Path) -> bool:
    return RunFiles(folder).published.exists()


def _has_settling(folder: Path) -> bool:
    return RunFiles(folder).settling.exists()


def _has_synced(folder: Path) -> bool:
    references = _maybe(RunFiles(folder).references, References)
    return references is not None and bool(references.context)


def _started(name: str) -> str:
    """Return when a run started, ISO, by its id."""
    started = datetime.strptime(name.partition("Z")[0], "%Y%m%dT%H%M%S.%f")
    return started.replace(tzinfo=UTC).isoformat()


def _objects_of(root: Path, folder: Path) -> Iterable[str]:
    """Yield the objects that a stopped run downloaded, computed, or planned as done."""
    for plan in _plans(folder):
        yield from (file.sha256 for result in plan.done for file in result.files)
    for path in (path for level in LEVELS for path in RunFiles(folder).batches(level)):
        yield from (f.sha256 for result in _read(path, Receipt).results for f in result.files)
    poll = _maybe(RunFiles(folder).poll, Poll)
    changes = poll.changes if poll else ()
    wanted = {(c.product.uri, c.product.fingerprint) for c in changes if c.wants_bytes}
    for _, receipt in fetch_receipts(root) if wanted else ():
        for version in receipt.versions:
            if (version.product.uri, version.product.fingerprint) in wanted:
                yield version.sha256


def _plans(folder: Path) -> Iterator[Plan]:
    """Return the plans of a run: that of each level, and those made together with it."""
    files = RunFiles(folder)
    for level in LEVELS:
        if plan := _maybe(files.plan(level), Plan):
            yield plan
        if ahead := _maybe(files.ahead(level), PlansAhead):
            yield from ahead.plans


def _orders(folder: Path) -> Orders:
    return _maybe(RunFiles(folder).orders, Orders) or Orders()


def _maybe(path: Path, kind: type[T]) -> T | None:
    return _read(path, kind) if path.is_file() else None


def _read(path: Path, kind: type[T]) -> T:
    try:
        return read(path, kind)
    except msgspec.DecodeError as err:
        raise StoreError(
            f"{path}: not a {kind.__name__} ({err}); nothing was pruned; move it away, try again."
        ) from err
