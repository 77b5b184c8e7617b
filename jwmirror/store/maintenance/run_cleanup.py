"""What runs leave beside the store: receipts, logs, folders of work; and which of it may go.

Nothing in the store depends on it, but for runs that were stopped: what they fetched or computed is
not published yet, and only their receipts know it.
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
ADOPTED = "adopted."  # begins the name of a receipt of what came from a user's own folder


@dataclass(frozen=True, kw_only=True)
class RunLeftovers:
    """What of the runs stays, and what the store needs to know of it."""

    unpublished: frozenset[str]  # objects that stopped runs refer to: sha256
    arrived: frozenset[str]  # objects that the runs that stay ordered, or that were adopted: sha256
    orders: frozenset[str]  # names of the orders of the runs that stay
    gone: tuple[str, ...]  # folders that may go, below the mirror


def find_leftovers(
    root: Path, published: Collection[str], policy: RetentionPolicy, now: datetime
) -> RunLeftovers:
    """Judge what runs left; `published` are the runs that made the generations that stay."""
    root = Path(root)
    names = _runs(root)
    kept = _kept(root, names, published, policy, now)
    folders = [f for name in sorted(kept) if (f := root / "receipts" / "runs" / name).is_dir()]
    stopped = [folder for folder in folders if not RunFiles(folder).published.exists()]
    work = sorted(root.glob("work/*"))  # of runs that are no more: the next one removes it, too
    dead = (root / place / n for n in names if n not in kept for place in ("receipts/runs", "logs"))
    orders = frozenset(name for folder in folders for name in _orders(folder).products)
    return RunLeftovers(
        unpublished=frozenset(sha256 for f in stopped for sha256 in _referred(root, f)),
        arrived=frozenset(_arrived(root, orders)),
        orders=orders,
        gone=tuple(str(each.relative_to(root)) for each in (*dead, *work) if each.is_dir()),
    )


def fetch_receipts(root: Path) -> Iterator[tuple[str, Receipt]]:
    """The receipts of all fetches, and the names of their orders."""
    for path in sorted(Path(root).glob("receipts/fetch/*.json")):
        yield path.stem, _read(path, Receipt)


def _arrived(root: Path, orders: Collection[str]) -> Iterator[str]:
    for name, receipt in fetch_receipts(root):
        if name in orders or name.startswith(ADOPTED):
            yield from (version.sha256 for version in receipt.versions)


def _runs(root: Path) -> list[str]:
    """The ids of the runs that left receipts or logs, oldest first."""
    places = (root / "receipts" / "runs", root / "logs")
    names = {each.name for place in places if place.is_dir() for each in place.iterdir()}
    return sorted(name for name in names if RUN.fullmatch(name))


def _kept(
    root: Path, names: list[str], published: Collection[str], policy: RetentionPolicy, now: datetime
) -> set[str]:
    """The runs that stay: by the policy, those of generations that stay, those still looked up.

    Looked up by the next run, by `status` and by `adopt` are the newest, the newest that
    published, that looked for what settles, and that synced references.
    """
    kept = set(names) & set(published)
    kept |= set(names[-max(policy.keep_last or 0, 1) :])
    if policy.keep_days is not None:
        kept |= {name for name in names if is_younger(_started(name), policy.keep_days, now)}
    newest_first = [root / "receipts" / "runs" / name for name in reversed(names)]
    for looked_up in (_published, _settled, _synced):
        kept |= {next((folder.name for folder in newest_first if looked_up(folder)), "")}
    return kept - {""}


def _published(folder: Path) -> bool:
    return RunFiles(folder).published.exists()


def _settled(folder: Path) -> bool:
    return RunFiles(folder).settling.exists()


def _synced(folder: Path) -> bool:
    found = _maybe(RunFiles(folder).references, References)
    return found is not None and bool(found.context)


def _started(name: str) -> str:
    """When a run started, ISO, as its id tells."""
    digits = RUN.fullmatch(name)[1]
    return datetime.strptime(digits, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).isoformat()


def _referred(root: Path, folder: Path) -> Iterable[str]:
    """The objects that a stopped run fetched, found done or computed."""
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
