"""Where recalibration meets the store: what is there, what goes in, and what comes back.

Like the command line it may call all wings; rules and scripts call it, wings do not.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from jwmirror.files import sha256_of
from jwmirror.recalibrate.associations import Associations, gather
from jwmirror.recalibrate.derivation import key_of
from jwmirror.recalibrate.plan import Resolves, plan_associations, plan_exposures, wanted
from jwmirror.recalibrate.references import Resolver, environment
from jwmirror.recalibrate.settling import settled_associations, settled_exposures
from jwmirror.recalibrate.stages import Cost, Output
from jwmirror.records import (
    Chain,
    Derivation,
    Entry,
    Plan,
    Poll,
    Receipt,
    Recipe,
    Record,
    References,
    ResultFile,
    Settling,
    Unsettled,
)
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.receipts import upstream_after


class Held(NamedTuple):
    """What is held of upstream, the associations in it, and what MAST has half updated."""

    entries: tuple[Entry, ...]
    associations: Associations
    unsettled: tuple[Unsettled, ...] = ()


class Bench:
    """One mirror, as plans and workers see it."""

    def __init__(self, mirror: Path):
        self.mirror = Path(mirror)
        self.objects = Objects(self.mirror)
        self.provenance = Provenance(self.mirror)

    def upstream(self, poll: Poll, settling: Settling | None = None) -> Held:
        """What is held of upstream after a poll's orders were filled; its associations, read.

        Of what is settling the published version stays.
        """
        settling = settling or Settling()
        entries = upstream_after(self.mirror, poll, settling.waiting)
        return Held(entries, gather(entries, self.locate), settling.unsettled)

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

    def plan_exposures(
        self, held: Held, recipes: Sequence[Recipe], resolver: Resolves, batch_size: int
    ) -> Plan:
        """What is out of date of the exposures, against what the store has."""
        entries, waits = settled_exposures(held.entries, held.unsettled, recipes)
        plan = plan_exposures(
            entries,
            held.associations,
            recipes,
            resolver,
            self.recall,
            self.published,
            batch_size,
        )
        return replace(plan, waits=(*waits, *plan.waits))

    def plan_associations(
        self,
        held: Held,
        recipes: Sequence[Recipe],
        resolver: Resolves,
        batch_size: int,
        exposures: Plan,
        receipts: Sequence[Receipt] = (),
        coming: Iterable[Chain] = (),
    ) -> Plan:
        """What is out of date of the associations, after a plan of exposures and its receipts.

        `coming`: chains of that plan to count as made, though nothing is known of their results.
        """
        associations, waits = settled_associations(held.associations, held.unsettled, recipes)
        plan = plan_associations(
            held.entries,
            associations,
            recipes,
            [*exposures.done, *(result for each in receipts for result in each.results)],
            resolver,
            self.recall,
            self.published,
            batch_size,
            troubles=[
                *(*exposures.waits, *exposures.failures),
                *(failure for each in receipts for failure in each.failures),
            ],
            coming=coming,
        )
        return replace(plan, waits=(*waits, *plan.waits))

    def keep(
        self, derivation: Derivation, outputs: Sequence[Output], cost: Cost
    ) -> tuple[ResultFile, ...]:
        """Take a result's files in, then its provenance; the files as they are in the store."""
        paths = [Path(output.path) for output in outputs]
        sizes = [path.stat().st_size for path in paths]
        taken = self.objects.take_many([(path, sha256_of(path)) for path in paths])
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


def needed(held: Held, recipes: Sequence[Recipe], resolver: Resolver) -> tuple[str, ...]:
    """Names of all references that recipes may need, each by the jwst that runs it."""
    found: set[str] = set()
    for python in {recipe.python for recipe in recipes}:
        same = [recipe for recipe in recipes if recipe.python == python]
        headers = wanted(held.entries, held.associations, same)
        found.update(resolver.within(python).needed(headers) if headers else ())
    return tuple(sorted(found))


def offline_resolver(cache: Path, references: References) -> Resolver:
    """A resolver on the synced cache, and the environment that this and child processes need."""
    os.environ.update(environment(cache, references.context))
    return Resolver(cache, references.context, references.files)
