"""The record of what searches found, in a mirror, and the selections that follow from it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from jwmirror.core.errors import ClosedError
from jwmirror.core.files import as_store_error
from jwmirror.core.jsonio import read, write
from jwmirror.core.model import AUTO, Selection
from jwmirror.core.model.search import FoundParts, Search, SearchAnswer, SearchRecord
from jwmirror.core.names import is_observation

REMEDY = "move it away; the next run searches, and resolves names, as for a new mirror"


def _path(mirror: Path) -> Path:
    return Path(mirror) / "receipts" / "searches.json"


def read_searches(mirror: Path) -> SearchRecord:
    """Return what searches found in the runs so far. StoreError if the record is damaged."""
    try:
        return read(_path(mirror), SearchRecord, REMEDY)
    except (FileNotFoundError, ClosedError):
        return SearchRecord()


def write_searches(mirror: Path, record: SearchRecord) -> None:
    """Durably write the record, if it is another. StoreError if the disk refuses."""
    if record == read_searches(mirror):
        return
    with as_store_error(f"record {_path(mirror)}", "the former one stays"):
        write(_path(mirror), record)


def selections_of(answers: Iterable[SearchAnswer]) -> Iterator[Selection]:
    """Yield the selections of what searches found."""
    for answer in answers:
        yield from found_selections(answer.search, answer.found)


def found_selections(search: Search, found: FoundParts) -> Iterator[Selection]:
    """Yield a selection for each program that a search found.

    If the search also names observations or candidates, those that it found are selected.
    """
    for number, parts in found.items():
        selection = replace(search.criteria, program=int(number), is_found=True)
        if not parts:
            yield selection
        elif chosen := _with_parts(selection, parts):
            yield chosen


def _with_parts(selection: Selection, parts: Iterable[str]) -> Selection | None:
    """Return a selection that is limited to some observations and candidates; None without any."""
    parts = tuple(parts)
    numbers = tuple(int(part[1:]) for part in parts if is_observation(part))
    candidates = tuple(part for part in parts if not is_observation(part))
    if selection.observations is not None:
        numbers = tuple(number for number in numbers if number in selection.observations)
    if (wanted := selection.candidates) is not None:
        candidates = tuple(part for part in candidates if part in wanted)
        candidates += (AUTO,) if AUTO in wanted and numbers else ()
    elif selection.observations is not None:
        candidates = ()
    if not (numbers or candidates):
        return None
    return replace(selection, observations=numbers or None, candidates=candidates or None)
