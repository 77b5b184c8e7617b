"""Keep what MAST's subscription events name, for the next poll."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jwmirror.archive.events import read_events, scopes_of
from jwmirror.store.runs import add_events


@dataclass(frozen=True, kw_only=True)
class IngestedEvents:
    """Content of a file of events; the fields are the keys of `jwmirror ingest-events --json`."""

    events: int
    programs: dict[str, tuple[str, ...]]  # program -> observations; empty: the whole program


def ingest_events(file: Path, find_mirror: Callable[[], Path]) -> IngestedEvents:
    """Store the programs and observations that a MAST event file names; the next run polls these.

    The mirror is looked up only if the file names something.

    Raises:
        ArchiveError: the file is not a list of MAST events.
    """
    events = read_events(file)
    scopes = scopes_of(events)
    if scopes:
        add_events(find_mirror(), scopes)
    programs = {str(scope.program): scope.observations for scope in scopes}
    return IngestedEvents(events=len(events), programs=programs)
