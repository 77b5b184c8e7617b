"""How fast a mirror grows, and for how long the disk is enough, from its own history. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from jwmirror.core.model.stored import ADDED, Generation
from jwmirror.report.formatting import ranges, size

WINDOW = timedelta(days=180)  # older generations say little about the next months
LEAST = timedelta(days=14)  # of history; from less, one reprocessing would be taken for a rule
GENERATIONS = 3  # at least, in that time
MONTH = timedelta(days=30)
FOREVER = timedelta(days=3650)  # no disk is forecast for longer


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What generations have added to the store, and when the disk is full at this rate."""

    since: str  # ISO, UTC: the generation before the first of them
    generations: tuple[int, ...]  # that are counted
    added: int  # bytes that no generation before them had; pruning is not subtracted
    per_month: int  # bytes in 30 days, at this rate
    free: int = 0  # bytes that may still be written
    full: str = ""  # ISO day; "": later than in ten years

    def __str__(self) -> str:
        until = f"the disk would be full on {self.full}" if self.full else "enough for years"
        return (
            f"disk: {size(self.added)} were added since {self.since[:10]} (generations "
            f"{ranges(self.generations)}), {size(self.per_month)} a month; {size(self.free)} are "
            f"free: {until} at this rate"
        )


def recent_growth(generations: Sequence[Generation], now: datetime) -> Growth | None:
    """Return the growth by the last months of history; None if there is too little.

    `generations` are oldest first. The first one is the download of what MAST had, and not counted.
    Those that an earlier version published do not say what they added; nothing before them counts.
    """
    counted: list[Generation] = []
    before: Generation | None = None
    for number in range(len(generations) - 1, 0, -1):
        generation = generations[number]
        if ADDED not in generation.counts or now - _time(generation) > WINDOW:
            break
        counted.insert(0, generation)
        before = generations[number - 1]
    if before is None or len(counted) < GENERATIONS or now - _time(before) < LEAST:
        return None
    added = sum(generation.counts[ADDED] for generation in counted)
    return Growth(
        since=before.made_at,
        generations=tuple(generation.number for generation in counted),
        added=added,
        per_month=round(added * (MONTH / (now - _time(before)))),
    )


def forecast_growth(growth: Growth, free: int, now: datetime) -> Growth:
    """Return a growth with the day on which so many free bytes are used up."""
    lasts = FOREVER
    if growth.per_month:
        lasts = MONTH * min(free / growth.per_month, FOREVER / MONTH)
    full = "" if lasts >= FOREVER else (now + lasts).date().isoformat()
    return replace(growth, free=free, full=full)


def _time(generation: Generation) -> datetime:
    made_at = datetime.fromisoformat(generation.made_at)
    return made_at.replace(tzinfo=made_at.tzinfo or UTC)
