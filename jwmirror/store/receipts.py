"""What the jobs of runs left behind, and what the mirror therefore holds."""

from collections.abc import Collection, Iterator
from pathlib import Path

from jwmirror.core.model import Entry, Poll, Receipt, Version, read
from jwmirror.store.entries import upstream_entries
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects


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
