"""Retention: which generations a policy keeps, and the tombstones of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jwmirror.core.jsonio import read
from jwmirror.core.model.maintenance import Hold, RetainedVersion
from jwmirror.core.model.stored import Generation

MANIFEST, HEAD, PRUNED = "manifest.parquet", "generation.json", "pruned.json"
SETUP, SETUP_SHA256 = "setup.json", "setup_sha256"  # the file, and its fact in the record


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """Content of pruned.json: a generation whose rows were removed."""

    generation: int
    pruned_at: str  # ISO, UTC
    policy: str  # in words
    kept: tuple[RetainedVersion, ...] = ()


def read_tombstone(folder: Path) -> Tombstone:
    """Return the tombstone in a generation's folder. StoreError if it cannot be read."""
    return read(Path(folder) / PRUNED, Tombstone, "restore it from a copy of the mirror")


CURRENT = "current"


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """Generations that prune keeps in addition to those that it always keeps."""

    keep_last: int | None = None  # the newest generations, by number
    keep_days: float | None = None  # what is younger

    def __str__(self) -> str:
        last = None if self.keep_last is None else f"the last {self.keep_last}"
        days = None if self.keep_days is None else f"younger than {self.keep_days:g} days"
        return ", ".join(filter(None, (last, days))) or "nothing but what is always kept"


def retained_generations(
    generations: Sequence[Generation],
    current: int | None,
    pinned: Mapping[int, Sequence[str]],
    policy: RetentionPolicy,
    now: datetime,
    hold: Hold | None = None,
) -> dict[int, str]:
    """Return why each generation that stays does, by number; `generations` are oldest first.

    With a hold, the newest one stays, too: the first run after the release makes it current.
    """
    newest = generations[-1].number if hold and generations else None
    last = {generation.number for generation in generations[-(policy.keep_last or 0) :]}
    reasons = {}
    for generation in generations:
        number = generation.number
        if number == current:
            reasons[number] = CURRENT
        elif number in pinned:
            reasons[number] = f"pinned: {', '.join(pinned[number])}"
        elif hold and number == newest:
            reasons[number] = f"the newest, which the hold of {hold.who} keeps from being shown"
        elif policy.keep_last and number in last:
            reasons[number] = f"one of the last {policy.keep_last}"
        elif policy.keep_days is not None and is_younger(generation.made_at, policy.keep_days, now):
            reasons[number] = f"younger than {policy.keep_days:g} days"
    return reasons


def is_younger(made_at: str, days: float, now: datetime) -> bool:
    """Return whether an ISO time (UTC if it has no zone) is less than so many days ago."""
    when = datetime.fromisoformat(made_at)
    return when.replace(tzinfo=when.tzinfo or UTC) > now - timedelta(days=days)
