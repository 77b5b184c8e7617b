"""What the sides of `jwmirror diff` name: 42, a pin, current, 42:deep, :deep, paper:upstream."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry
from jwmirror.core.model.comparison import Side
from jwmirror.store.differences import without_origin
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.manifest import Entries
from jwmirror.store.pins import CURRENT


@dataclass(frozen=True)
class State:
    """One side: its name, and the rows of its generation."""

    side: Side
    entries: Entries

    @cached_property
    def places(self) -> dict[str, int]:
        """Where the row of each file is; by its path, below the origin's folder if one is named."""
        paths, origins = (self.entries.column(name) for name in ("path", "origin"))
        asked = self.side.origin
        return {
            without_origin(path) if asked else path: place
            for place, (path, origin) in enumerate(zip(paths, origins, strict=True))
            if asked in ("", origin)
        }

    def row(self, name: str) -> Entry | None:
        """The row of the file that `places` has under a name."""
        place = self.places.get(name)
        return None if place is None else self.entries[place]


def states_of(root: Path, old: str, new: str, recipe: str) -> tuple[State, State]:
    """Both sides; StoreError if one is not there.

    Where just one names an origin (upstream, or a recipe), it is that of both; `recipe` is that of
    those that name none.
    """
    (old_name, _, old_origin), (new_name, _, new_origin) = old.partition(":"), new.partition(":")
    origins = old_origin or recipe or new_origin, new_origin or recipe or old_origin
    generations = [
        generation_named(root, name or CURRENT, f"; a recipe of the current generation is :{name}")
        for name in (old_name, new_name)
    ]
    rows = {each.number: each.entries() for each in generations}
    found = [
        State(Side(generation=each.number, origin=origin), rows[each.number])
        for each, origin in zip(generations, origins, strict=True)
    ]
    for origin in set(origins) - {""}:
        _check_origin(origin, found)
    return found[0], found[1]


def _check_origin(origin: str, states: list[State]) -> None:
    known = {name for state in states for name in state.entries.column("origin")}
    if origin not in known:
        raise StoreError(
            f"{origin}: expected upstream or a recipe that the generations hold; "
            f"they hold {', '.join(sorted(known)) or 'nothing'}."
        )
