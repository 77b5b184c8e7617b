"""Runs: what one call of the workflow asked, planned, fetched, computed, and what failed."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import refusals
from jwmirror.core.model import (
    LEVELS,
    NEW,
    Chain,
    Change,
    Entry,
    Failure,
    Listing,
    Orders,
    Plan,
    Poll,
    Published,
    Receipt,
    References,
    Scope,
    Settling,
    Version,
    Wait,
    digest,
    read,
    write,
)
from jwmirror.report import formatting
from jwmirror.store.entries import upstream_entries
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects

T = TypeVar("T")
SETTLING = "settling.json"
NOTHING_MADE = "nothing fetched or computed: former results, or other facts"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The records of one run; what it did not get to is None or empty."""

    id: str
    poll: Poll | None = None
    settling: Settling | None = None
    references: References | None = None
    plans: tuple[Plan, ...] = ()
    fetched: tuple[Receipt, ...] = ()
    computed: tuple[Receipt, ...] = ()
    published: Published | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """How the archive differed from the mirror."""
        return self.poll.changes if self.poll else ()

    @property
    def first_polls(self) -> dict[int, int]:
        """Programs of which nothing was held before -> how many products were there."""
        firsts = self.poll.first if self.poll else ()
        found = Counter(each.product.program for each in self.changes if self._is_backlog(each))
        return {program: found[program] for program in firsts}

    @property
    def news(self) -> tuple[Change, ...]:
        """The changes but for the backlog that a first poll finds."""
        return tuple(change for change in self.changes if not self._is_backlog(change))

    def _is_backlog(self, change: Change) -> bool:
        return change.kind == NEW and change.product.program in self.poll.first

    @property
    def chains(self) -> tuple[Chain, ...]:
        """What was found out of date, in the order of the plans."""
        batches = (batch for plan in self.plans for batch in plan.batches.values())
        return tuple(chain for batch in batches for chain in batch)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What cannot be calibrated yet."""
        return tuple(wait for plan in self.plans for wait in plan.waits)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What failed while the run went on, and what no run can calibrate as it is."""
        refused = (wait for plan in self.plans for wait in plan.failures)
        receipts = (*self.fetched, *self.computed)
        doubts = self.poll.doubts.values() if self.poll else ()
        return (
            *(Failure(name="listing of MAST", message=why) for why in doubts),
            *(failure for each in receipts for failure in each.failures),
            *(Failure(name=f"{each.recipe}: {each.product}", message=each.why) for each in refused),
        )

    @property
    def computed_keys(self) -> tuple[str, ...]:
        """Keys of the results that this run really computed."""
        return tuple(key for receipt in self.computed for key in receipt.computed)

    @property
    def cause(self) -> str:
        """Why the mirror's state changes with this run: 2 reprocessed, 1 vanished; 3 results."""
        kinds = Counter(change.kind for change in self.news)
        firsts = ", ".join(
            f"first poll of program {program}: {formatting.many(count, 'product')}"
            for program, count in self.first_polls.items()
        )
        changed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        made = len(self.computed_keys)
        results = f"{made} result{'' if made == 1 else 's'} computed" if made else ""
        return "; ".join(filter(None, (firsts, changed, results))) or NOTHING_MADE

    @property
    def unfinished(self) -> tuple[Chain, ...]:
        """The chains that were out of date and still are: they failed, or the run was stopped."""
        results = (result for receipt in self.computed for result in receipt.results)
        made = {(result.recipe, result.pipeline, result.product) for result in results}
        return tuple(
            chain
            for chain in self.chains
            if any((chain.recipe, d.pipeline, d.product) not in made for d in chain.derivations)
        )


def last_run(mirror: Path) -> Run | None:
    """The newest run on record; None if the workflow never ran."""
    folders = sorted(path for path in Path(mirror).glob("receipts/runs/*") if path.is_dir())
    return read_run(folders[-1]) if folders else None


def last_references(mirror: Path) -> References | None:
    """What the newest run that synced references calibrated with; None if none ever did."""
    folders = sorted(Path(mirror).glob("receipts/runs/*"), reverse=True)
    found = _found((folder / "references.json" for folder in folders), References)
    return next((references for references in found if references.context), None)


def read_run(folder: Path) -> Run:
    """The records in a run's folder, as far as the run came; StoreError if one is damaged."""
    folder = Path(folder)
    orders = _maybe(folder / "orders.json", Orders)
    receipts = folder.parent.parent / "fetch"
    names = orders.products if orders else ()
    return Run(
        id=folder.name,
        poll=_maybe(folder / "changes.json", Poll),
        settling=_maybe(folder / SETTLING, Settling),
        references=_maybe(folder / "references.json", References),
        plans=tuple(_found((folder / f"plan-{level}.json" for level in LEVELS), Plan)),
        fetched=tuple(_found((receipts / f"{name}.json" for name in names), Receipt)),
        computed=tuple(
            receipt
            for level in LEVELS
            for receipt in _found(sorted((folder / level).glob("*.json")), Receipt)
        ),
        published=_maybe(folder / "published.json", Published),
    )


def former_settling(folder: Path) -> Settling | None:
    """What the newest run before this one found settling; None if none looked for it."""
    folder = Path(folder)
    earlier = sorted(path for path in folder.parent.iterdir() if path.name < folder.name)
    found = _found((path / SETTLING for path in reversed(earlier)), Settling)
    return next(found, None)


def former_listings(folder: Path, programs: Iterable[int]) -> dict[int, Listing]:
    """The newest listing of each program that runs before this one got; none that was doubted."""
    folder, missing = Path(folder), set(programs)
    found: dict[int, Listing] = {}
    earlier = sorted(path for path in folder.parent.glob("*") if path.name < folder.name)
    for path in reversed(earlier if missing else ()):
        poll = _maybe(path / "changes.json", Poll)
        for listing in poll.listings if poll else ():
            if listing.program in missing:
                missing.discard(listing.program)
                if str(listing.program) not in poll.doubts:
                    found[listing.program] = listing
        if not missing:
            break
    return found


def _found(paths: Iterable[Path], kind: type[T]) -> Iterator[T]:
    """The records of those files that are there."""
    return (record for path in paths if (record := _maybe(path, kind)) is not None)


def _maybe(path: Path, kind: type[T]) -> T | None:
    try:
        return read(path, kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as err:
        raise StoreError(f"{path}: not a {kind.__name__} ({err}); run the workflow again.") from err


def fetched(mirror: Path) -> Iterator[Version]:
    """Every version that a fetch job ever took in and that is still there."""
    objects = Objects(mirror)
    for path in sorted(Path(mirror).glob("receipts/fetch/*.json")):
        for version in read(path, Receipt).versions:
            if objects.has(version.sha256, version.size):
                yield version


def upstream_after(mirror: Path, poll: Poll, waiting: Collection[str] = ()) -> tuple[Entry, ...]:
    """What is held of upstream now that the orders of this poll were filled.

    Of the URIs that are `waiting` the published version stays.
    """
    wanted = any(change.wants_bytes for change in poll.changes)
    versions = fetched(mirror) if wanted else ()
    return upstream_entries(Generations(mirror).entries(), poll, versions, waiting)


def keep(mirror: Path, scopes: Iterable[Scope]) -> Path:
    """Remember programs and observations for the next poll; the file that holds them."""
    wanted = tuple(scopes)
    path = Path(mirror) / "receipts" / "events" / f"{digest(wanted)[:16]}.json"
    with refusals("event", "what it named may not be remembered"):
        write(path, wanted)
        failpoint("hints: kept")
    return path


def pending(mirror: Path) -> dict[Path, tuple[Scope, ...]]:
    """What no poll has used yet."""
    paths = sorted(Path(mirror).glob("receipts/events/*.json"))
    return {path: read(path, tuple[Scope, ...]) for path in paths}


def used(paths: Iterable[Path]) -> None:
    """Forget hints that a poll has used, so that the next one asks for everything again."""
    with refusals("event", "what it named is polled again"):
        for path in paths:
            path.unlink(missing_ok=True)
            failpoint("hints: one used")
