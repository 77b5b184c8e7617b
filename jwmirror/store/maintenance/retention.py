"""Retention: which generations a policy keeps, and which versions outlive theirs. Pure: no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read
from jwmirror.core.model import Generation
from jwmirror.core.model.maintenance import RetainedVersion

MANIFEST, HEAD, PRUNED = "manifest.parquet", "generation.json", "pruned.json"


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """What pruned.json says."""

    generation: int
    pruned_at: str  # ISO, UTC
    policy: str  # in words
    kept: tuple[RetainedVersion, ...] = ()


def read_tombstone(folder: Path) -> Tombstone:
    """The tombstone in a generation's folder; StoreError if it cannot be read."""
    path = Path(folder) / PRUNED
    try:
        return read(path, Tombstone)
    except msgspec.DecodeError as err:
        raise StoreError(
            f"{path}: cannot be read ({err}); take it back from a copy of the mirror."
        ) from err


CURRENT = "current"


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """What prune keeps besides what it always keeps."""

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
) -> dict[int, str]:
    """Number -> why, of the generations that stay; `generations` are oldest first."""
    last = {each.number for each in generations[-(policy.keep_last or 0) :]}
    kept = {}
    for each in generations:
        if each.number == current:
            kept[each.number] = CURRENT
        elif each.number in pinned:
            kept[each.number] = f"pinned: {', '.join(pinned[each.number])}"
        elif policy.keep_last and each.number in last:
            kept[each.number] = f"one of the last {policy.keep_last}"
        elif policy.keep_days is not None and is_younger(each.made_at, policy.keep_days, now):
            kept[each.number] = f"younger than {policy.keep_days:g} days"
    return kept


def is_younger(made_at: str, days: float, now: datetime) -> bool:
    """Whether an ISO time (UTC where it names no zone) is less than so many days ago."""
    when = datetime.fromisoformat(made_at)
    return when.replace(tzinfo=when.tzinfo or UTC) > now - timedelta(days=days)


def newest_versions(
    states: Iterable[tuple[int, Iterable[tuple[str, str, str, int]]]],
) -> dict[str, tuple[int, RetainedVersion]]:
    """URI -> the newest generation that held the product, and the version that it held.

    `states` are generations with their upstream rows (uri, path, sha256, size); of pruned ones,
    the rows that their tombstones keep.
    """
    found: dict[str, tuple[int, tuple[str, str, str, int]]] = {}
    for number, rows in sorted(states, key=lambda state: state[0]):
        found.update((row[0], (number, row)) for row in rows)
    return {uri: (number, RetainedVersion(*row)) for uri, (number, row) in found.items()}
