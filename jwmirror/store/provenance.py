"""Provenance: how each result was made, one JSON file per key, written once; and acceptances.

A result may be invalidated: it stays in the generations that show it, and is not used again. The
mark is a separate file, which is removed when the result was computed again.
"""

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, path_below, sync_path, write_bytes
from jwmirror.core.jsonio import canonical, read, write
from jwmirror.core.model.derivation import Input
from jwmirror.core.model.plan import Invalidation, ProvenanceRecord
from jwmirror.core.model.quality import Acceptance
from jwmirror.core.model.sky.slices import SLICES, GaiaSlice
from jwmirror.store.objects import CLOSED, Objects

CATALOGUE = ".abs_refcat"  # ends the names of references that are slices of Gaia, or files

log = logging.getLogger(__name__)


class CodeAndInputs(msgspec.Struct, frozen=True):
    """The part of a derivation that names its engine and its inputs."""

    engine: dict[str, str]
    inputs: tuple[Input, ...] = ()


class Making(msgspec.Struct, frozen=True):
    """The part of a record that names versions and inputs; it is read faster than the whole."""

    derivation: CodeAndInputs
    software: dict[str, str] = {}

    @property
    def versions(self) -> dict[str, str]:
        """The versions that a result was made with; those not in its key, too."""
        return self.software | self.derivation.engine


class Provenance:
    """The provenance records of one mirror."""

    def __init__(self, root: Path):
        self.folder = Path(root) / "provenance"
        self.marks = Path(root) / "invalidated"
        self.objects = Objects(root)

    def path(self, key: str) -> Path:
        """Return the path of a key's record, whether or not it exists."""
        return path_below(self.folder, f"{key}.json", "the key of a result")

    def read(self, key: str) -> ProvenanceRecord | None:
        """Return the record of a key, whether or not its objects still exist; None if none does.

        Raises:
            StoreError: the record is damaged, or of another key.
        """
        path, step = self.path(key), "move it away, and the next run computes the result again"
        try:
            record = read(path, ProvenanceRecord, step)
        except FileNotFoundError:
            return None
        if record.key != key:
            raise StoreError(f"provenance {path}: expected key {key}, found {record.key}.")
        return record

    def read_if_allowed(self, key: str) -> ProvenanceRecord | None:
        """Return the record of a key; None without one, and if this user may not read it.

        Then the folder of records is named in a warning.
        """
        try:
            return self.read(key)
        except ClosedError:
            _warn_closed(self.folder)
            return None

    def read_or_none(self, key: str) -> ProvenanceRecord | None:
        """Return the record of a key as `read_if_allowed`; None, too, if it is damaged.

        `jwmirror verify` names damaged records.
        """
        try:
            return self.read_if_allowed(key)
        except StoreError:
            return None

    def making(self, key: str) -> Making | None:
        """Return the part of a record; None without one, as `read_or_none`."""
        try:
            return read(self.path(key), Making)
        except ClosedError:
            _warn_closed(self.folder)
        except (FileNotFoundError, StoreError):
            pass
        return None

    def software(self, key: str) -> dict[str, str]:
        """Return the versions that a result was made with; {} without a record of them."""
        making = self.making(key)
        return making.versions if making else {}

    def recall(self, key: str) -> ProvenanceRecord | None:
        """Return the record of a key; None if it is invalidated, or an object is not stored."""
        record = None if self.invalidation(key) else self.read(key)
        if record and all(self.objects.has(file.sha256, file.size) for file in record.files):
            return record
        return None

    def invalidation(self, key: str) -> Invalidation | None:
        """Return the mark by which the result of a key is not used again; None without one."""
        with suppress(FileNotFoundError):
            return read(self._mark(key), Invalidation)
        return None

    def invalidations(self) -> dict[str, Invalidation]:
        """Return all marks of results that are not used again, by key."""
        paths = sorted(self.marks.glob("*.json"))
        return {path.stem: read(path, Invalidation) for path in paths}

    def invalidate(self, keys: Iterable[str], because: str) -> None:
        """Durably mark results that must not be recalled; they are computed again when needed."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with as_store_error("invalidate", "some results are marked, and it can be repeated"):
            for key in keys:
                write(self._mark(key), Invalidation(key=key, because=because, at=at))
                failpoint("invalidate: one marked")
            sync_path(self.marks.parent)

    def _mark(self, key: str) -> Path:
        return path_below(self.marks, f"{key}.json", "the key of a result")

    def all(self) -> Iterator[ProvenanceRecord]:
        """Yield every record, also of invalidated results; StoreError if one is damaged."""
        for path in sorted(self.folder.glob("*.json")):
            if record := self.read(path.stem):
                yield record

    def of_product(self, pipeline: str, product: str) -> tuple[ProvenanceRecord, ...]:
        """Return the records of one product of one pipeline, newest first; read every record."""
        marks = [f'"pipeline":"{pipeline}"'.encode(), f'"product":"{product}"'.encode()]
        records: list[ProvenanceRecord] = []
        for path in self.folder.glob("*.json"):
            with suppress(FileNotFoundError, PermissionError, ClosedError):  # pruned, or closed
                data = path.read_bytes()
                record = self.read(path.stem) if all(mark in data for mark in marks) else None
                made = record.derivation if record else None
                if record and made and (made.pipeline, made.product) == (pipeline, product):
                    records.append(record)
        return tuple(sorted(records, key=lambda record: (record.made_at, record.key), reverse=True))

    def record_once(self, record: ProvenanceRecord) -> ProvenanceRecord:
        """Durably record a result whose objects are in the store; return the record of its key.

        Only the owner can read it until the result is published, because its data may be exclusive.
        The first record of a key is kept, so that a key always names the same bytes. It is replaced
        only if its objects are lost, or if it is invalidated; then the mark is removed.

        Raises:
            StoreError: an object is missing, or the disk refused.
        """
        missing = [file for file in record.files if not self.objects.has(file.sha256, file.size)]
        if missing:
            raise StoreError(
                f"result {record.key}: {missing[0].filename} is not in the store as "
                f"{missing[0].sha256} of {missing[0].size} bytes; it was not recorded."
            )
        with as_store_error(f"record of result {record.key}", "its objects stay"):
            recorded = self.recall(record.key) or self._written(record)
            self._mark(record.key).unlink(missing_ok=True)
            return recorded

    def _written(self, record: ProvenanceRecord) -> ProvenanceRecord:
        """Write a record; return it, or the one that another process wrote meanwhile."""
        path = self.path(record.key)
        temporary = path.with_name(f".{record.key}.{os.getpid()}.{threading.get_ident()}")
        write_bytes(temporary, canonical(record).encode() + b"\n", mode=CLOSED)
        failpoint("provenance: record written", temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            if other := self.recall(record.key):
                return other
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        failpoint("provenance: record named")
        sync_path(self.folder)
        sync_path(self.folder.parent)
        failpoint("provenance: record durable")
        return record


@cache
def _warn_closed(folder: Path) -> None:
    """Log, once, that this user may not read some records of a folder."""
    words = "%s: some records are left out: you may not read numbers measured on exclusive data"
    log.warning(words, folder)


def acceptance_path(root: Path, key: str) -> Path:
    """Return the path of the acceptance of a result, whether or not it exists."""
    return path_below(Path(root) / "accepted", f"{key}.json", "the key of a result")


def read_acceptances(root: Path) -> dict[str, Acceptance]:
    """Return the acceptances that this user may read, by the keys of their results.

    Raises:
        StoreError: one is damaged.
    """
    step = "restore it from a copy of the mirror, or remove it and accept the result again"
    acceptances: dict[str, Acceptance] = {}
    for path in sorted(Path(root).glob("accepted/*.json")):
        with suppress(ClosedError):
            acceptances[path.stem] = read(path, Acceptance, step)
    return acceptances


def keep_acceptance(root: Path, acceptance: Acceptance) -> None:
    """Durably record that a result is accepted; an earlier acceptance of it is replaced.

    Its caveats have numbers that were measured on the result. So only the owner can read it until
    the next run sets the access of the result.
    """
    with as_store_error("acceptance", "repeat the command"):
        write(acceptance_path(root, acceptance.key), acceptance, mode=0o600)
        sync_path(Path(root))
        failpoint("accept: recorded")


# ---- slices of Gaia --------------------------------------------------------------------------


def slice_paths(root: Path) -> list[Path]:
    """Return the records of the slices of Gaia that the next run will use."""
    return sorted((Path(root) / "receipts" / SLICES).glob("*.json"))


def read_slice_record(path: Path) -> GaiaSlice:
    """Return the record of a slice; StoreError if it is damaged."""
    return read(path, GaiaSlice, "move it away, and the next run fetches the slice again")


def slices_of(records: Iterable[ProvenanceRecord]) -> Iterator[str]:
    """Yield the sha256 of the catalogues that results were aligned to, also of users' files."""
    for record in records:
        for name, (_, sha256) in record.derivation.references.items():
            if name.endswith(CATALOGUE):
                yield sha256
