"""Where calibration takes its inputs from and puts its results: the store, seen from a worker."""

from functools import cached_property
from pathlib import Path

from jwmirror.records import Derivation, ResultFile
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance


class Bench:
    """The parts of one mirror's store that plans and workers use."""

    def __init__(self, mirror: Path):
        self.mirror = Path(mirror)
        self.objects = Objects(self.mirror)
        self.provenance = Provenance(self.mirror)

    def locate(self, sha256: str) -> Path:
        """The path of an object's bytes."""
        return self.objects.path(sha256)

    def recall(self, key: str) -> tuple[ResultFile, ...] | None:
        """The files of a result that was made before; None if it was not, or lost an object."""
        record = self.provenance.recall(key)
        return record.files if record else None

    def published(self, recipe: str, product: str, pipeline: str) -> Derivation | None:
        """How the result that the current generation shows was made; None if it shows none."""
        key = self._published_keys.get((recipe, f"{pipeline}/{product}"))
        record = self.provenance.read(key) if key else None
        return record.derivation if record else None

    @cached_property
    def _published_keys(self) -> dict[tuple[str, str], str]:
        entries = Generations(self.mirror).entries()
        return {(entry.origin, entry.result): entry.key for entry in entries if entry.key}
