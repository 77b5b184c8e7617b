"""Provenance: how each result was made, one JSON file per key, written once."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, sync_path, write_bytes
from jwmirror.core.model import Record, canonical, parse
from jwmirror.store.objects import Objects

__all__ = ["Provenance", "Record"]


class Provenance:
    """The provenance records of one mirror."""

    def __init__(self, root: Path):
        self.folder = Path(root) / "provenance"
        self.objects = Objects(root)

    def path(self, key: str) -> Path:
        """Where the record of that key is, or would be."""
        return self.folder / f"{key}.json"

    def read(self, key: str) -> Record | None:
        """What is recorded under a key, whether or not its objects are still there."""
        path = self.path(key)
        try:
            record = parse(path.read_bytes(), Record)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as err:
            raise StoreError(
                f"provenance {path}: not a record ({err}); move it away, and the next run "
                "computes the result again."
            ) from err
        if record.key != key:
            raise StoreError(f"provenance {path}: expected key {key}, found {record.key}.")
        return record

    def recall(self, key: str) -> Record | None:
        """The result of that key, if it was ever made and all its objects are in the store."""
        record = self.read(key)
        if record and all(self.objects.has(file.sha256, file.size) for file in record.files):
            return record
        return None

    def of_product(self, pipeline: str, product: str) -> tuple[Record, ...]:
        """All that is recorded of one product of one pipeline, newest first; reads every record."""
        place = {"pipeline": pipeline, "product": product}
        marks = [f'"{name}":"{value}"'.encode() for name, value in place.items()]
        found = []
        for path in self.folder.glob("*.json"):
            with suppress(FileNotFoundError):  # pruned meanwhile
                data = path.read_bytes()
                record = self.read(path.stem) if all(mark in data for mark in marks) else None
                made = record and record.derivation
                if made and (made.pipeline, made.product) == (pipeline, product):
                    found.append(record)
        return tuple(sorted(found, key=lambda record: (record.made_at, record.key), reverse=True))

    def keep(self, record: Record) -> Record:
        """Durably record a result whose objects are in the store; the record that now stands.

        The first one stands, so that a key names the same bytes ever after; it gives way only
        when its objects are gone.
        """
        missing = [file for file in record.files if not self.objects.has(file.sha256, file.size)]
        if missing:
            raise StoreError(
                f"result {record.key}: {missing[0].filename} is not in the store as "
                f"{missing[0].sha256} of {missing[0].size} bytes; take it in before its record."
            )
        with as_store_error(f"record of result {record.key}", "its objects stay"):
            return self.recall(record.key) or self._written(record)

    def _written(self, record: Record) -> Record:
        """The record at its place; or the one that another process put there meanwhile."""
        place = self.path(record.key)
        temporary = place.with_name(f".{record.key}.{os.getpid()}.{threading.get_ident()}")
        write_bytes(temporary, canonical(record).encode() + b"\n", mode=0o444)
        failpoint("provenance: record written", temporary)
        try:
            os.link(temporary, place)
        except FileExistsError:
            if standing := self.recall(record.key):
                return standing
            os.replace(temporary, place)
        finally:
            temporary.unlink(missing_ok=True)
        failpoint("provenance: record named")
        sync_path(self.folder)
        sync_path(self.folder.parent)
        failpoint("provenance: record durable")
        return record
