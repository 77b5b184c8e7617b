"""The causes of differences between generations of a mirror."""

from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Derivation
from jwmirror.core.model.history.causes import Cause, summed_up
from jwmirror.core.model.stored import Setup
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.planning.causes.states import Lookups, PublishedState
from jwmirror.services.causes.reprocessing import kept_change
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.manifest import Entries, entries_of
from jwmirror.store.provenance import Provenance
from jwmirror.store.rows.differences import RowDifferences

RECORDED = 200  # causes that a generation records


def published_causes(
    mirror: Path, setup: Setup, before: Entries, rows: Entries, differing: RowDifferences
) -> tuple[Cause, ...]:
    """Return why the `rows` to publish differ from those `before`, as a generation records it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    current = Generations(mirror).current()
    old = state_of(current, before) if current else PublishedState(entries=before)
    new = PublishedState(entries=rows, setup=setup, made_at=now)
    return summed_up(causes_between(old, new, lookups_of(mirror), differing))[:RECORDED]


def generation_causes(
    mirror: Path, old: StoredGeneration | None, new: StoredGeneration
) -> tuple[Cause, ...]:
    """Return why the files of two generations differ (None: an empty mirror).

    Raises:
        StoreError: one was pruned, or cannot be read.
    """
    before = state_of(old, old.entries()) if old else PublishedState(entries=entries_of(()))
    return causes_between(before, state_of(new, new.entries()), lookups_of(mirror))


def state_of(generation: StoredGeneration, rows: Entries) -> PublishedState:
    """Return a generation with its rows as a state."""
    try:
        setup = generation.setup()
    except StoreError:  # it is damaged, which `verify` reports
        setup = None
    return PublishedState(entries=rows, setup=setup, made_at=generation.made_at)


def lookups_of(mirror: Path) -> Lookups:
    """Return what looks up how files of a mirror were made, and how their contents differ."""
    provenance = Provenance(mirror)

    def derivation(key: str) -> Derivation | None:
        record = provenance.read_or_none(key)
        return record.derivation if record else None

    return Lookups(derivation=derivation, content=lambda old, new: kept_change(mirror, old, new))
