"""MAST's subscription events: a hint of what changed, before the next poll."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from jwmirror.core import names
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Scope


class Event(msgspec.Struct, frozen=True):
    """One entry of the JSON file that MAST attaches to a subscription's e-mail."""

    mission: str
    filename: str
    program: int
    event_type: str  # New, First, Reprocessed, Public
    archived_date: str | None = None

    @property
    def observation(self) -> str:
        """The observation in the file's name; "" where it tells none."""
        found = names.parse(self.filename)
        return found.observation if found else ""


def read_events(path: Path) -> tuple[Event, ...]:
    """The JWST events in a subscription's attachment; ArchiveError if the file is none."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=tuple[Event, ...])
    except (OSError, msgspec.DecodeError) as err:
        raise ArchiveError(
            f"{path}: expected the JSON list of events that MAST attaches to a subscription's "
            f"e-mail, found otherwise ({err}); nothing was taken from it."
        ) from err
    return tuple(event for event in found if event.mission.upper() == "JWST")


def named(events: Iterable[Event]) -> tuple[Scope, ...]:
    """The programs that events name, each with the observations that changed.

    A program of which an event's file name tells no observation is named as a whole.
    """
    found: dict[int, set[str]] = defaultdict(set)
    for event in events:
        found[event.program].add(event.observation)
    return tuple(
        Scope(program=program, observations=() if "" in some else tuple(sorted(some)))
        for program, some in sorted(found.items())
    )
