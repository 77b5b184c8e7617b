"""Tombstones: what stays in the folder of a generation that was pruned.

Its generation.json stays, so that the chain can be checked, and pruned.json says when and why its
rows were given up, and which of them stay in the store because nothing newer of their product does.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read

MANIFEST, HEAD, PRUNED = "manifest.parquet", "generation.json", "pruned.json"


@dataclass(frozen=True)
class Kept:
    """One version that stays though its generation was pruned: the newest of its product."""

    uri: str
    path: str  # in the generation's view
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """What pruned.json says."""

    generation: int
    pruned_at: str  # ISO, UTC
    policy: str  # in words
    kept: tuple[Kept, ...] = ()


def tombstone(folder: Path) -> Tombstone:
    """The tombstone in a generation's folder; StoreError if it cannot be read."""
    path = Path(folder) / PRUNED
    try:
        return read(path, Tombstone)
    except msgspec.DecodeError as err:
        raise StoreError(
            f"{path}: cannot be read ({err}); take it back from a copy of the mirror."
        ) from err
