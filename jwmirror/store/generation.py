"""One generation: what its record says, and its rows, held to the sum that the record has."""

from dataclasses import dataclass
from pathlib import Path

from jwmirror.core import model
from jwmirror.core.errors import StoreError
from jwmirror.core.files import sha256_of
from jwmirror.store.maintenance.tombstones import HEAD, MANIFEST, PRUNED
from jwmirror.store.manifest import Entries, read_columns, read_manifest


@dataclass(frozen=True, kw_only=True)
class Generation(model.Generation):
    """A generation and where it is on disk."""

    folder: Path

    @property
    def is_pruned(self) -> bool:
        """Whether its rows were given up, and its record alone stays."""
        return (self.folder / PRUNED).exists()

    def entries(self) -> Entries:
        """Its rows; StoreError if it was pruned, or the manifest is not the published one."""
        return read_manifest(self._checked_manifest())

    def columns(self, *names: str) -> Entries:
        """Some columns of its rows, many times faster than all; StoreError as for `entries`."""
        return read_columns(self._checked_manifest(), names)

    def _checked_manifest(self) -> Path:
        if self.is_pruned:
            raise StoreError(
                f"generation {self.number} was pruned; only its record {self.folder / HEAD} stays; "
                "`jwmirror log` lists the others."
            )
        manifest = self.folder / MANIFEST
        found = sha256_of(manifest) if manifest.is_file() else "no file"
        if found != self.manifest_sha256:
            raise StoreError(
                f"sha256 of {manifest}: expected {self.manifest_sha256}, got {found}; take it back "
                "from a copy of the mirror, or write the number of another generation in CURRENT."
            )
        return manifest
