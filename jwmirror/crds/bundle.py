"""Bundles: folders with one context and its references, to be used as a cache without a server."""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.errors import ReferencesError, command_to_run, plain_text
from jwmirror.core.files import open_regular
from jwmirror.core.folders import new_folder
from jwmirror.core.names import cache_path
from jwmirror.crds.cache import (
    BAD_FILES,
    SERVER_CONFIG,
    SUBDIR_MODE,
    config_folder,
    has_config,
    read_verified,
    write_verified,
)


@dataclass(frozen=True, kw_only=True)
class ReferenceBundle:
    """The content of a bundle."""

    context: str
    folder: str
    files: int
    size: int  # bytes


def write_bundle(
    contexts: Sequence[str],
    references: Collection[str],
    cache: Path,
    to: Path,
    others: Mapping[str, Path] | None = None,
    ledger: Path | None = None,
) -> ReferenceBundle:
    """Copy the mappings of contexts and these references from a synced cache into the folder `to`.

    `others` are further files, by their paths in the bundle; `ledger` is as for `read_verified`.

    The folder is a complete CRDS cache: it serves as CRDS_PATH, and as `references.cache` without a
    server. It appears when it is complete. ReferencesError if `to` exists or a file is not cached.
    """
    if os.path.lexists(to):
        raise ReferencesError(f"{to} exists already; name a folder that does not, and run again.")
    verified = read_verified(cache, ledger)
    missing = [context for context in contexts if context not in verified.contexts]
    if not has_config(cache) or missing:
        raise ReferencesError(
            f"{', '.join(missing or contexts)} was never synced into {cache.absolute()}; run "
            f"{command_to_run()} (or this command with network) first."
        )
    others = others or {}
    mappings = dict.fromkeys(name for context in contexts for name in verified.contexts[context])
    paths = [cache_path(cache, name) for name in mappings]
    paths += [_reference(cache, name) for name in sorted(references)]
    config = [config_folder(cache) / name for name in (SERVER_CONFIG, SUBDIR_MODE, BAD_FILES)]
    try:
        with new_folder(to) as folder:
            for path in filter(os.path.lexists, config):
                _copy(path, folder / path.relative_to(cache))
            size = sum(_copy(path, folder / path.relative_to(cache)) for path in paths)
            size += sum(_copy(path, folder / name) for name, path in others.items())
            write_verified(folder, verified.restricted(contexts, references))
    except OSError as err:
        raise ReferencesError(
            f"{to} cannot be written: {plain_text(err)}; nothing of it was kept; make "
            "room, and run again."
        ) from err
    return ReferenceBundle(
        context=contexts[0], folder=str(to), files=len(paths) + len(others), size=size
    )


def _reference(cache: Path, name: str) -> Path:
    """Return the path of a reference; ReferencesError if it is not cached."""
    path = cache_path(cache, name)
    if not path.is_file():
        raise ReferencesError(
            f"{name} is not in the reference cache {cache.absolute()}; run {command_to_run()} (or "
            "this command with network) first."
        )
    return path


def _copy(path: Path, to: Path) -> int:
    """Copy a file, with the mtime by which it counts as verified; return its bytes."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with open_regular(path) as source, open(to, "xb") as copy:
        shutil.copyfileobj(source, copy)
        status = os.stat(source.fileno())
    os.utime(to, ns=(status.st_atime_ns, status.st_mtime_ns))
    return status.st_size
