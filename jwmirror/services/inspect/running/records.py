"""The records of a run while they are written: each file that does not change is read once."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read
from jwmirror.core.model.jobs.run_state import Phase
from jwmirror.core.model.plan import LEVELS, LEVELS_WITHOUT_GRISMS
from jwmirror.core.model.run import Heartbeat
from jwmirror.core.names import OTHER, POOL
from jwmirror.planning.estimates.remaining import EndedJob, OrderedFiles, PlannedChain
from jwmirror.store.runs import RunFiles

Batches = Mapping[str, tuple[PlannedChain, ...]]


class _Sized(msgspec.Struct):
    """The parts of a Product that are counted."""

    program: int
    observation: str
    size: int | None = None


class _Ordered(msgspec.Struct):
    """The part of Orders that is counted. Orders and plans are large, and people wait for it."""

    products: dict[str, tuple[_Sized, ...]] = {}


class _Planned(msgspec.Struct):
    """The parts of a Plan that are counted."""

    batches: dict[str, tuple[PlannedChain, ...]] = {}
    levels: tuple[str, ...] = LEVELS_WITHOUT_GRISMS


class _Spent(msgspec.Struct):
    seconds: float


class _Ended(msgspec.Struct):
    """The parts of a Receipt that are counted."""

    spent: tuple[_Spent, ...] = ()
    failures: tuple[msgspec.Raw, ...] = ()
    attempts: tuple[msgspec.Raw, ...] = ()


@dataclass
class RunRecords:
    """The records of one run, as far as they are written."""

    files: RunFiles
    fetched: set[str] = field(default_factory=set)  # orders that have a receipt
    _orders: dict[str, OrderedFiles] | None = None
    _observations: int = 0
    _plans: dict[str, _Planned] = field(default_factory=dict)
    _ends: dict[str, dict[str, EndedJob]] = field(default_factory=dict)

    @property
    def orders(self) -> dict[str, OrderedFiles]:
        """The files to be fetched, by order; empty before the query has ended."""
        if self._orders is None and self.files.orders.exists():
            products = read(self.files.orders, _Ordered).products
            self._orders = {
                name: OrderedFiles(len(group), sum(each.size or 0 for each in group))
                for name, group in products.items()
            }
            places = {(p.program, p.observation) for group in products.values() for p in group}
            self._observations = sum(name not in (POOL, OTHER) for _, name in places)
        return self._orders or {}

    @property
    def observations(self) -> int:
        """The number of observations that have something to fetch, without pools."""
        return self._observations if self.orders else 0

    def plan(self, level: str) -> Batches | None:
        """Return the batches of a level; None before it is planned."""
        if level not in self._plans and self.files.plan(level).exists():
            self._plans[level] = read(self.files.plan(level), _Planned)
        return self._plans[level].batches if level in self._plans else None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of the run; empty before the first one is planned."""
        return self._plans[LEVELS[0]].levels if self.plan(LEVELS[0]) is not None else ()

    def ends(self, level: str) -> Mapping[str, EndedJob]:
        """Return the batches of a level that had a receipt at the last `refresh`."""
        return self._ends.get(level, {})

    def refresh(self) -> None:
        """Read the receipts that were written since the last call."""
        missing = self.orders.keys() - self.fetched
        self.fetched |= {order for order in missing if self.files.fetched(order).exists()}
        for level in self.levels:
            known = self._ends.setdefault(level, {})
            if self.plan(level) and len(known) < len(self.plan(level) or ()):
                new = [path for path in self.files.batches(level) if path.stem not in known]
                known.update((path.stem, _ended_job(path)) for path in new)

    def heartbeats(self) -> dict[Path, Heartbeat]:
        """Return the heartbeats of the jobs, by file; not of those that have a receipt."""
        beats: dict[Path, Heartbeat] = {}
        for path in sorted(self.files.heartbeats.glob("*.json")):
            with suppress(FileNotFoundError, StoreError):  # ended now; a crash has emptied it
                beats[path] = read(path, Heartbeat)
        return beats

    def phase(self) -> Phase:
        """Return what the run does now, by the records that are there, as of `refresh`."""
        files = self.files
        if not files.orders.exists():
            return "query"
        if files.unchanged.exists() or files.published.exists():
            return "conclude"
        if self.orders.keys() - self.fetched:
            return "fetch"
        if not files.settling.exists():
            return "settle"
        if not files.references.exists():
            return "references"
        return self._phase_of_levels()

    def _phase_of_levels(self) -> Phase:
        for level in self.levels or LEVELS[:1]:
            batches = self.plan(level)
            if batches is None:
                return "plan"
            if batches.keys() - self.ends(level).keys():
                return "calibrate"
        return "publish"


def _ended_job(path: Path) -> EndedJob:
    """Return what the receipt of a batch says."""
    receipt = read(path, _Ended)
    spent = sum(stage.seconds for stage in receipt.spent)
    is_whole = len(receipt.attempts) <= 1
    return EndedJob(len(receipt.failures), spent if is_whole else None)
