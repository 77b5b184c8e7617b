"""Bundles: folders with one context and its references, to be used as a cache without a server."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.errors import ReferencesError, plain_text
from jwmirror.core.files import sync_path
from jwmirror.core.names import cache_path
from jwmirror.crds.cache import config_folder, has_config, read_verified, write_verified


@dataclass(frozen=True, kw_only=True)
class ReferenceBundle:
    """The content of a bundle."""

    context: str
    folder: str
    files: int
    size: int  # bytes


def write_bundle(
    context: str, references: Collection[str], cache: Path, to: Path
) -> ReferenceBundle:
    """Copy a context's mappings and these references from a synced cache into the folder `to`.

    The folder is a complete CRDS cache: it serves as CRDS_PATH, and as `references.cache` without a
    server. It appears when it is complete. ReferencesError if `to` exists or a file is not cached.
    """
    if to.exists():
        raise ReferencesError(f"{to} exists already; name a folder that does not, and run again.")
    verified = read_verified(cache)
    if not has_config(cache) or context not in verified.contexts:
        raise ReferencesError(
            f"{context} was never synced into {cache}; run `snakemake` (or this command with "
            "network) first."
        )
    mappings = verified.contexts[context]
    paths = [cache_path(cache, name) for name in mappings]
    paths += [_reference(cache, name) for name in sorted(references)]
    building = to.with_name(f".{to.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    try:
        shutil.copytree(config_folder(cache), config_folder(building))
        size = sum(_copy(path, building / path.relative_to(cache)) for path in paths)
        write_verified(building, verified.restricted(context, references))
        building.rename(to)
    except OSError as err:
        raise ReferencesError(
            f"{to} cannot be written: {plain_text(err)}; nothing of it was kept; make "
            "room, and run again."
        ) from err
    finally:
        shutil.rmtree(building, ignore_errors=True)
    sync_path(to.parent)
    return ReferenceBundle(context=context, folder=str(to), files=len(paths), size=size)


def _reference(cache: Path, name: str) -> Path:
    """Return the path of a reference; ReferencesError if it is not cached."""
    path = cache_path(cache, name)
    if not path.is_file():
        raise ReferencesError(
            f"{name} is not in the reference cache {cache}; run `snakemake` (or this command with "
            "network) first."
        )
    return path


def _copy(path: Path, to: Path) -> int:
    """Copy a file durably, with the mtime by which it counts as verified; return its bytes."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, to)
    sync_path(to)
    return to.stat().st_size
