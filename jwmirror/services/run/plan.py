"""Where recalibration meets the store: what is there, what goes in, and what comes back.

Like the command line it may call all wings; rules and scripts call it, wings do not.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import sha256_of
from jwmirror.core.model import (
    LEVELS,
    Derivation,
    Entry,
    Failure,
    Plan,
    Poll,
    Receipt,
    Recipe,
    Record,
    ResultFile,
    Settling,
    Unsettled,
    Version,
    Wait,
    digest,
)
from jwmirror.core.model import read as read_record
from jwmirror.core.model import write as write_record
from jwmirror.core.model.association import Association, Associations
from jwmirror.core.model.plan import Cost, Output
from jwmirror.pipeline.associations import CORRECT_IT, gather, generated, read
from jwmirror.pipeline.derivation import engine, key_of
from jwmirror.pipeline.identity import described
from jwmirror.planning.association_choice import Request, choose, requests
from jwmirror.planning.builder import Resolves
from jwmirror.planning.inputs import stock_of, taken_from_upstream
from jwmirror.planning.plan import plan_associations, plan_exposures
from jwmirror.planning.settling import settled_associations, settled_exposures
from jwmirror.store.generations import Generations
from jwmirror.store.objects import CLOSED, Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import upstream_after

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


class Bench:
    """One mirror, as plans and workers see it."""

    def __init__(self, mirror: Path):
        self.mirror = Path(mirror)
        self.objects = Objects(self.mirror)
        self.provenance = Provenance(self.mirror)

    def upstream(
        self, poll: Poll, settling: Settling | None = None, recipes: Sequence[Recipe] = ()
    ) -> Held:
        """What is held of upstream after a poll's orders were filled; its associations, read.

        Of what is settling the published version stays.
        """
        settling = settling or Settling()
        entries = upstream_after(self.mirror, poll, settling.waiting)
        held = supply(self.mirror, entries, recipes)
        return held._replace(unsettled=settling.unsettled)

    def locate(self, sha256: str) -> Path:
        """The path of an object's bytes."""
        return self.objects.path(sha256)

    def recall(self, key: str) -> tuple[ResultFile, ...] | None:
        """The files of a result that was made before; None if it was not, or lost an object."""
        record = self.provenance.recall(key)
        return record.files if record else None

    def published(self, recipe: str, product: str, pipeline: str) -> Derivation | None:
        """How the result that the current generation shows was made; None if it shows none."""
        return self.derivation(self.published_key(recipe, product, pipeline))

    def published_key(self, recipe: str, product: str, pipeline: str) -> str:
        """The key of the result that the current generation shows; "" if it shows none."""
        return self._published_keys.get((recipe, f"{pipeline}/{product}"), "")

    def derivation(self, key: str) -> Derivation | None:
        """What a result was made of; None if nothing is on record under its key."""
        record = self.provenance.read(key) if key else None
        return record.derivation if record else None

    def plans(
        self,
        held: Held,
        recipes: Sequence[Recipe],
        resolver: Resolves,
        batch_size: int,
        below: Sequence[Plan] = (),
        receipts: Sequence[Receipt] = (),
        is_preview: bool = False,
    ) -> tuple[Plan, ...]:
        """The plan of the level after those `below`, and the ones after it if it computes nothing.

        `receipts` are those of the batches below. A preview goes on to the last level: what is to
        be computed counts as made, though nothing is known of its content.
        """
        _check_one_state(below, recipes, resolver)
        asked = (held, recipes, resolver, batch_size)
        plans: list[Plan] = []
        while len(below) + len(plans) < len(LEVELS) and (is_preview or not _computes(plans)):
            lower = (*below, *plans)
            plans.append(
                self.plan_associations(*asked, lower, receipts, lower if is_preview else ())
                if lower
                else self.plan_exposures(*asked)
            )
        return tuple(plans)

    def refused_later(
        self, held: Held, recipes: Sequence[Recipe], resolver: Resolves, planned: Sequence[Plan]
    ) -> tuple[Wait, ...]:
        """What levels above those planned will refuse, whatever comes out of the ones below."""
        plans = self.plans(held, recipes, resolver, 1, below=planned, is_preview=True)
        return tuple(wait for plan in plans for wait in plan.failures)

    def plan_exposures(
        self, held: Held, recipes: Sequence[Recipe], resolver: Resolves, batch_size: int
    ) -> Plan:
        """What is out of date of the exposures, against what the store has."""
        entries, waits = settled_exposures(held.entries, held.unsettled, recipes)
        lookups = (resolver, self.recall, self.published, batch_size)
        plan = plan_exposures(entries, held.associations, recipes, *lookups)
        return replace(plan, waits=(*waits, *plan.waits))

    def plan_associations(
        self,
        held: Held,
        recipes: Sequence[Recipe],
        resolver: Resolves,
        batch_size: int,
        lower: Sequence[Plan],
        receipts: Sequence[Receipt] = (),
        coming: Sequence[Plan] = (),
    ) -> Plan:
        """What is out of date of the associations of the stage after the `lower` plans.

        `coming`: those of them whose chains count as made, though nothing is known of the results.
        """
        stage = len(lower) + 1
        half = held.unsettled
        associations, waits = settled_associations(held.associations, half, recipes, stage)
        troubles = [trouble for each in lower for trouble in (*each.waits, *each.failures)]
        stock = stock_of(
            held.entries,
            results=[result for each in lower for result in each.done]
            + [result for each in receipts for result in each.results],
            troubles=troubles + [failure for each in receipts for failure in each.failures],
            coming=[chain for each in coming for batch in each.batches.values() for chain in batch],
        )
        lookups = (resolver, self.recall, self.published, batch_size)
        plan = plan_associations(stock, associations, recipes, *lookups, stage)
        told = {(trouble.recipe, trouble.product) for trouble in troubles}
        waits = tuple(each for each in waits if (each.recipe, each.product) not in told)
        return replace(plan, waits=(*waits, *plan.waits))

    def keep(
        self, derivation: Derivation, outputs: Sequence[Output], cost: Cost
    ) -> tuple[ResultFile, ...]:
        """Take a result's files in, then its provenance; the files as they are in the store.

        Nobody else may read them until they are published: they may be of exclusive data.
        """
        paths = [Path(output.path) for output in outputs]
        sizes = [path.stat().st_size for path in paths]
        taken = self.objects.take_many([(path, sha256_of(path)) for path in paths], CLOSED)
        files = (
            ResultFile(filename=path.name, sha256=sha256, size=size, identity=output.identity)
            for path, sha256, size, output in zip(paths, taken, sizes, outputs, strict=True)
        )
        record = Record(
            key=key_of(derivation),
            derivation=derivation,
            files=tuple(files),
            seconds=round(cost.seconds, 3),
            peak_memory=cost.peak_memory,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            software=cost.software,
        )
        return self.provenance.keep(record).files

    @cached_property
    def _published_keys(self) -> dict[tuple[str, str], str]:
        entries = Generations(self.mirror).entries()
        return {(entry.origin, entry.result): entry.key for entry in entries if entry.key}


def _computes(plans: Sequence[Plan]) -> bool:
    """Whether the last of the plans has something to compute."""
    return bool(plans and plans[-1].batches)


def _check_one_state(plans: Sequence[Plan], recipes: Sequence[Recipe], resolver: Resolves) -> None:
    """CalibrationError unless the levels below were planned with this context and these engines."""
    for plan in plans:
        for recipe in recipes:
            before = (plan.context, plan.engines.get(recipe.name))
            now = (resolver.context, before[1] and dict(resolver.within(recipe.python).engine))
            if before != now:
                raise CalibrationError(
                    f"recipe {recipe.name}: the levels below were planned with {before}, this one "
                    f"would be with {now}; members of two generations are not combined; run "
                    "again, so that all is planned anew."
                )
