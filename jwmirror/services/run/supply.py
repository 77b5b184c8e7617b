"""What recipes take from upstream's files, read once and remembered below receipts/.

Like the bench it may call all wings; the bench calls it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Entry, Failure, Recipe, Unsettled, Version, digest
from jwmirror.core.model import read as read_record
from jwmirror.core.model import write as write_record
from jwmirror.pipeline.associations import CORRECT_IT, Association, Associations, gather, read
from jwmirror.pipeline.derivation import engine
from jwmirror.pipeline.inputs import described
from jwmirror.pipeline.pools import generated
from jwmirror.planning.association_choice import Request, choose, requests
from jwmirror.planning.inputs import taken_from_upstream
from jwmirror.store.objects import Objects

T = TypeVar("T")


class Held(NamedTuple):
    """What is held of upstream, the associations in it, and what MAST has half updated."""

    entries: tuple[Entry, ...]
    associations: Associations
    unsettled: tuple[Unsettled, ...] = ()


def supply(mirror: Path, entries: tuple[Entry, ...], recipes: Sequence[Recipe]) -> Held:
    """What is held, with the associations that each recipe uses, and its inputs described.

    CalibrationError if an association file of the user's own cannot be used.
    """
    shelf = Shelf(mirror)
    associations = shelf.associations(entries, recipes)
    inputs = {
        entry.path: shelf.described(entry)
        for entry in taken_from_upstream(entries, associations, recipes)
        if not (entry.identity or entry.refusal)
    }
    whole = tuple(inputs.get(entry.path, entry) for entry in entries) if inputs else entries
    return Held(whole, associations)


class Shelf:
    """What was read of one mirror's upstream files, and made of its pools."""

    def __init__(self, mirror: Path):
        self._objects, self._folder = Objects(mirror), Path(mirror) / "receipts"

    def associations(self, entries: tuple[Entry, ...], recipes: Sequence[Recipe]) -> Associations:
        """The archive's associations, and what recipes use instead."""
        found = gather(entries, self._objects.path)
        made: dict[tuple[str, int], tuple[Association, ...]] = {}
        for request in requests(entries, found, recipes):
            try:
                made[request.recipe, request.program] = self._generated(request)
            except CalibrationError as err:
                failure = Failure(name=request.pool.filename, message=str(err))
                found = replace(found, broken=(*found.broken, failure))
        own = {
            recipe.name: [
                each for name in recipe.associations for each in read(Path(name), remedy=CORRECT_IT)
            ]
            for recipe in recipes
        }
        return choose(found, entries, recipes, made, own)

    def described(self, entry: Entry) -> Entry:
        """An entry with what its file says as an input."""

        def look() -> Version:
            path = self._objects.path(entry.sha256)
            return described(entry.product, path, entry.sha256, entry.size)

        found = self._remembered("inputs", entry.sha256, Version, look, lambda v: not v.refusal)
        return replace(entry, identity=found.identity, header=found.header, refusal=found.refusal)

    def _generated(self, request: Request) -> tuple[Association, ...]:
        pool = request.pool
        name = digest((pool.sha256, request.roots, engine()["jwst"]))
        return self._remembered(
            "associations",
            name,
            tuple[Association, ...],
            lambda: generated(self._objects.path(pool.sha256), pool.filename, request.roots),
        )

    def _remembered(
        self,
        kind: str,
        name: str,
        of: type[T],
        look: Callable[[], T],
        lasts: Callable[[T], bool] = lambda found: True,
    ) -> T:
        """What was found before, if it `lasts`; else it is looked up, and remembered."""
        place = self._folder / kind / f"{name}.json"
        try:
            found = read_record(place, of)
            if lasts(found):
                return found
        except (FileNotFoundError, msgspec.DecodeError):
            pass
        found = look()
        if lasts(found):
            with suppress(OSError):  # a mirror that may only be read is previewed all the same
                write_record(place, found)
        return found
