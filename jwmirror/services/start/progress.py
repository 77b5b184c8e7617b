"""What a run does now, in few lines, read from the records that it writes."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read
from jwmirror.core.model import Orders, Plan
from jwmirror.core.model.plan import LEVELS
from jwmirror.core.names import OTHER, POOL
from jwmirror.report.formatting import count, size
from jwmirror.services.run.session import level_in_words
from jwmirror.store.runs import RunFiles

LONG_S = 10  # a shorter sync of references is not shown


@dataclass
class RunProgress:
    """The phases of one run. Each is shown once, when its first record is there."""

    files: RunFiles
    shown: set[Path] = field(default_factory=set)

    def new_lines(self) -> Iterator[str]:
        """Yield a line for each phase that has begun since the last call."""
        with suppress(FileNotFoundError, StoreError):  # a run that changed nothing is deleted
            if self._is_new(self.files.orders):
                yield from _fetch_line(read(self.files.orders, Orders))
            if self._is_syncing_long() and self._is_new(self.files.settling):
                yield "Syncing references"
            for level in LEVELS:
                if self._is_new(self.files.plan(level)):
                    yield from _calibration_line(level, read(self.files.plan(level), Plan))

    def _is_syncing_long(self) -> bool:
        """Return whether references are synced for some time now; most runs only look at them."""
        if not self.files.settling.exists() or self.files.references.exists():
            return False
        return time.time() - self.files.settling.stat().st_mtime > LONG_S

    def _is_new(self, record: Path) -> bool:
        """Return whether a record is there, and was not looked at before."""
        if record in self.shown or not record.exists():
            return False
        self.shown.add(record)
        return True


def _fetch_line(orders: Orders) -> Iterator[str]:
    products = [product for ordered in orders.products.values() for product in ordered]
    if products:
        known = size(sum(product.size or 0 for product in products))
        places = {(each.program, each.observation) for each in products}
        number = sum(name not in (POOL, OTHER) for _, name in places)
        of_them = f", of {count(number, 'observation')}" if number else ""
        yield f"Fetching {count(len(products), 'file')}, {known}{of_them}"


def _calibration_line(level: str, plan: Plan) -> Iterator[str]:
    if plan.batches:
        jobs = count(len(plan.batches), "job")
        yield f"Calibrating {level_in_words(level, len(plan.chains))} in {jobs}"
