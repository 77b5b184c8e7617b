"""Bundles: what a CRDS cache holds of one context, in a folder that works without a server."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.errors import ReferencesError
from jwmirror.core.files import sync_file, sync_folder
from jwmirror.core.names import cache_path
from jwmirror.crds.cache import read_verified, write_verified
from jwmirror.crds.server import config_folder, has_config


@dataclass(frozen=True, kw_only=True)
class ReferenceBundle:
    """What went into a bundle."""

    context: str
    folder: str
    files: int
    size: int  # bytes


def write_bundle(
    context: str, references: Collection[str], cache: Path, to: Path
) -> ReferenceBundle:
    """Copy a context's mappings and these references from a synced cache into the folder `to`.

    The folder is a CRDS cache (CRDS_PATH) of its own, and a `references.cache` that asks no server;
    it appears when it is whole. ReferencesError if `to` is there already or a file is not cached.
    """
    if to.exists():
        raise ReferencesError(f"{to}: is there already; name a folder that is not, and run again.")
    ledger = read_verified(cache)
    if not has_config(cache) or context not in ledger.contexts:
        raise ReferencesError(
            f"{context} was never synced into {cache}; run `snakemake` (or this command with "
            "network) first."
        )
    mappings = ledger.contexts[context]
    places = [cache_path(cache, name) for name in mappings]
    places += [_reference(cache, name) for name in sorted(references)]
    building = to.with_name(f".{to.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    try:
        shutil.copytree(config_folder(cache), config_folder(building))
        size = sum(_copied(place, building / place.relative_to(cache)) for place in places)
        write_verified(building, ledger.restricted(context, references))
        building.rename(to)
    except OSError as err:
        raise ReferencesError(
            f"{to} cannot be written: {err}; nothing of it was kept; make room, and run again."
        ) from err
    finally:
        shutil.rmtree(building, ignore_errors=True)
    sync_folder(to.parent)
    return ReferenceBundle(context=context, folder=str(to), files=len(places), size=size)


def _reference(cache: Path, name: str) -> Path:
    """Where the cache has a reference, below the folder of its instrument."""
    path = cache_path(cache, name)
    if not path.is_file():
        raise ReferencesError(
            f"{name} is not in the reference cache {cache}; run `snakemake` (or this command with "
            "network) first."
        )
    return path


def _copied(place: Path, to: Path) -> int:
    """Copy a file durably, with its time, by which the ledger knows it; its bytes."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(place, to)
    sync_file(to)
    return to.stat().st_size
