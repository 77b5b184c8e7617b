"""Keep what MAST's subscription events name, for the next poll."""

from dataclasses import dataclass
from pathlib import Path

from jwmirror.archive.events import read_events, scopes_of
from jwmirror.store.runs import add_events


@dataclass(frozen=True, kw_only=True)
class IngestedEvents:
    """What a file of events names; the fields are the keys of `jwmirror ingest-events --json`."""

    events: int
    programs: dict[str, tuple[str, ...]]  # program -> observations; empty: the whole program


def ingest_events(root: Path, file: Path) -> IngestedEvents:
    """Store the programs and observations that a MAST event file names; the next run polls these.

    Raises:
        ArchiveError: the file is not a list of MAST events.
    """
    events = read_events(file)
    scopes = scopes_of(events)
    if scopes:
        add_events(root, scopes)
    programs = {str(scope.program): scope.observations for scope in scopes}
    return IngestedEvents(events=len(events), programs=programs)
