"""What the sides of `jwmirror diff` name: 42, a pin, current, 42:deep, :deep, paper:upstream."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jwmirror.comparison import Side
from jwmirror.errors import StoreError
from jwmirror.records import Entry
from jwmirror.store.differences import without_origin
from jwmirror.store.generation import Generation
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries
from jwmirror.store.pins import find_pin, pins

CURRENT = "current"


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
    generations = [_generation(root, name) for name in (old_name, new_name)]
    rows = {each.number: each.entries() for each in generations}
    found = [
        State(Side(generation=each.number, origin=origin), rows[each.number])
        for each, origin in zip(generations, origins, strict=True)
    ]
    for origin in set(origins) - {""}:
        _check_origin(origin, found)
    return found[0], found[1]


def _generation(root: Path, name: str) -> Generation:
    """The generation of a number, a pin, or the current one ("" or "current")."""
    generations = Generations(root)
    if name in ("", CURRENT):
        return generations.needed_current()
    if name.isdigit():
        return generations.read(int(name))
    if pin := find_pin(root, name):
        return generations.read(pin.generation)
    raise StoreError(
        f"{name}: expected the number of a generation (`jwmirror log` lists them), a pin "
        f"({', '.join(each.name for each in pins(root)) or 'there are none'}) or `current`; a "
        f"recipe of the current generation is :{name}."
    )


def _check_origin(origin: str, states: list[State]) -> None:
    known = {name for state in states for name in state.entries.column("origin")}
    if origin not in known:
        raise StoreError(
            f"{origin}: expected upstream or a recipe that the generations hold; "
            f"they hold {', '.join(sorted(known)) or 'nothing'}."
        )
