"""The results of recalibration that a mirror has: looked up by planners, stored by workers.

Also how long they took to compute, by kind, for estimates.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.files import sha256_of
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import receipt_path, remembered, write
from jwmirror.core.model import Chain, Derivation, ResultFile
from jwmirror.core.model.association import SCIENCE, root_of
from jwmirror.core.model.derivation import STAGES, whole_pipeline
from jwmirror.core.model.plan import Cost, Invalidation, Output, ProvenanceRecord, StageTimes
from jwmirror.core.model.quality import Measurements
from jwmirror.pipeline import identity
from jwmirror.pipeline.derivation import key_of
from jwmirror.planning.estimates.runtime import TIMES_SCHEME, Times, with_stages
from jwmirror.store.generations import Generations
from jwmirror.store.objects import CLOSED, Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import read_if_written

TIMES = f"receipts/stage-times-{TIMES_SCHEME}.json"
SAMPLE = 1000  # results that are read for the times of a mirror without a record of them


class ResultStore:
    """The results of one mirror, by key, and which of them the current generation shows."""

    def __init__(self, mirror: Path):
        self.mirror = Path(mirror)
        self.objects = Objects(self.mirror)
        self.provenance = Provenance(self.mirror)

    def locate(self, sha256: str) -> Path:
        """Return the path of an object."""
        return self.objects.path(sha256)

    def recall(self, key: str) -> tuple[ResultFile, ...] | None:
        """Return the files of a result; None if it was never computed, or if an object is lost.

        Of a result whose record is closed to this user, those that the current generation shows.
        """
        try:
            record = self.provenance.recall(key)
        except ClosedError:
            return self._published_files.get(key)
        return tuple(map(self._identified, record.files)) if record else None

    def _identified(self, file: ResultFile) -> ResultFile:
        """Return a file with the identity that the present science_identity gives it."""
        if identity.is_current(file.identity):
            return file
        scheme = identity.scheme_text(identity.IDENTITY_SCHEME)
        known = remembered(
            receipt_path(self.mirror, "identities", file.sha256, scheme),
            str,
            lambda: identity.science_identity(self.locate(file.sha256), file.filename),
        )
        return replace(file, identity=known)

    def invalidation(self, key: str) -> Invalidation | None:
        """Return the mark by which the result of a key is not used again; None without one."""
        return self.provenance.invalidation(key)

    def derivation(self, key: str) -> Derivation | None:
        """Return the derivation of a result; None if no record has its key."""
        record = self.provenance.read_if_allowed(key) if key else None
        return record.derivation if record else None

    def measurements(self, key: str) -> Measurements | None:
        """Return what was measured on a result; None if nothing was recorded."""
        record = self.provenance.read_if_allowed(key)
        return record.measurements if record else None

    def published_derivation(self, recipe: str, product: str, pipeline: str) -> Derivation | None:
        """Return the derivation of the result that the current generation shows, if it does."""
        return self.derivation(self.published_key(recipe, product, pipeline))

    def published_key(self, recipe: str, product: str, pipeline: str) -> str:
        """Return the key of the result that the current generation shows; "" if it shows none."""
        return self._published_keys.get((recipe, f"{pipeline}/{product}"), "")

    def store_result(
        self,
        derivation: Derivation,
        outputs: Sequence[Output],
        cost: Cost,
        measurements: Measurements | None,
        chain: Chain,
    ) -> tuple[ResultFile, ...]:
        """Move the files of a chain's result into the store, then write its record; return them.

        They are readable by the owner only until they are published: the data may be exclusive.
        If the same result was stored meanwhile, its files are returned.
        """
        paths = [Path(output.path) for output in outputs]
        sizes = [path.stat().st_size for path in paths]
        stored = self.objects.add_files([(path, sha256_of(path)) for path in paths], CLOSED)
        files = (
            ResultFile(filename=path.name, sha256=sha256, size=size, identity=output.identity)
            for path, sha256, size, output in zip(paths, stored, sizes, outputs, strict=True)
        )
        key = key_of(derivation)
        published = self.published_key(chain.recipe, derivation.product, derivation.pipeline)
        record = ProvenanceRecord(
            key=key,
            derivation=derivation,
            files=tuple(files),
            seconds=round(cost.seconds, 3),
            peak_memory=cost.peak_memory,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            software=cost.software,
            measurements=measurements,
            replaced=published if published != key else "",
            excluded=chain.excluded.get(derivation.pipeline, {}),
        )
        return self.provenance.record_once(record).files

    @cached_property
    def _published_files(self) -> dict[str, tuple[ResultFile, ...]]:
        rows = (entry for entry in Generations(self.mirror).entries() if entry.key)
        by_key = group_by(rows, lambda entry: entry.key)
        return {key: tuple(entry.file for entry in entries) for key, entries in by_key.items()}

    @cached_property
    def _published_keys(self) -> dict[tuple[str, str], str]:
        entries = Generations(self.mirror).entries()
        return {(entry.origin, entry.result): entry.key for entry in entries if entry.key}


# ---- times -----------------------------------------------------------------------------------


def stage_times(mirror: Path) -> Times:
    """Return how long stages took in a mirror; {} if it has no results.

    A mirror of an earlier version has no record of this; it is made from some of its results.
    """

    def sampled() -> dict[str, StageTimes]:
        keys = sorted(path.stem for path in Provenance(mirror).folder.glob("*.json"))
        return with_stages({}, _timed_stages(mirror, keys[:SAMPLE]))

    has_results = Provenance(mirror).folder.is_dir()
    return remembered(mirror / TIMES, dict[str, StageTimes], sampled, lambda _: has_results)


def record_stage_times(mirror: Path, keys: Iterable[str]) -> None:
    """Add how long the results of these keys took to the mirror's record."""
    if added := list(_timed_stages(mirror, keys)):
        known = read_if_written(mirror / TIMES, dict[str, StageTimes]) or {}
        write(mirror / TIMES, with_stages(known, added))


def _timed_stages(mirror: Path, keys: Iterable[str]) -> Iterator[tuple[Derivation, str, float]]:
    """Yield the derivations of results, with a header and seconds; not of those without header."""
    entries, provenance = Generations(mirror).entries(), Provenance(mirror)
    paths = zip(entries.column("path"), entries.column("header"), strict=True)
    header_of = {root_of(path.rpartition("/")[2]): header for path, header in paths if header}
    for key in keys:
        with suppress(StoreError):  # an estimate does without a damaged record
            if (record := provenance.read(key)) is None:
                continue
            made = record.derivation
            science = [item.name for item in made.inputs if item.role == SCIENCE]
            header = header_of.get(root_of(science[0])) if science else None
            if header and whole_pipeline(made.pipeline) in STAGES:  # not a kept ramp
                yield made, header, record.seconds
