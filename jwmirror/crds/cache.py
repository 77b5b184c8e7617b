"""A CRDS cache on disk: its configuration, and the record of the files that were verified."""

import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jwmirror.core.errors import StoreError
from jwmirror.core.files import cached_digest, write_bytes
from jwmirror.core.model import read, write
from jwmirror.core.names import OBSERVATORY

VERIFIED = "jwmirror_verified.json"  # in the cache's config folder
BULKY = ("download_metadata", "mappings", "context_history")  # megabytes that are unused offline

log = logging.getLogger(__name__)


def config_folder(cache: Path) -> Path:
    """Return the folder of a cache's configuration."""
    return cache / "config" / OBSERVATORY


def write_config(cache: Path, info: dict[str, Any]) -> None:
    """Write the parts of a server's description that the crds package needs offline."""
    config = {key: value for key, value in info.items() if key not in BULKY}
    config |= {"status": "cache", "connected": False}
    config.setdefault("operational_context", config.get("latest_context"))
    for name, text in (
        ("server_config", repr(dict(sorted(config.items())))),  # crds reads a Python literal
        ("ref_cache_subdir_mode", "instrument"),
        ("bad_files.txt", "\n".join(info.get("bad_files_list", ()))),
    ):
        write_bytes(config_folder(cache) / name, text.encode())


def has_config(cache: Path) -> bool:
    """Return whether a cache can be used offline."""
    names = ("server_config", "ref_cache_subdir_mode")
    return all((config_folder(cache) / name).exists() for name in names)


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was verified; it stays so while its size and mtime are the same."""

    size: int  # bytes
    mtime_ns: int
    sha1: str

    @classmethod
    def of(cls, path: Path) -> "VerifiedFile":
        """Return the record of a file as it is now."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, cached_digest(path, "sha1"))

    def is_unchanged(self, path: Path) -> bool:
        """Return whether the file is there, and was not written to since."""
        with suppress(FileNotFoundError):
            status = path.stat()
            return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
        return False


@dataclass(frozen=True, kw_only=True)
class VerifiedCache:
    """The verified files of a cache by name, and the contexts whose mappings are all there."""

    files: dict[str, VerifiedFile] = field(default_factory=dict)
    contexts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # -> mappings

    def restricted(self, context: str, references: Collection[str]) -> "VerifiedCache":
        """Return the record of one context, its mappings, and some references."""
        mappings = self.contexts[context]
        names = {*references, *mappings}
        files = {name: file for name, file in self.files.items() if name in names}
        return VerifiedCache(files=files, contexts={context: mappings})


def read_verified(cache: Path) -> VerifiedCache:
    """Return the record of a cache; an empty one if it is missing or cannot be read."""
    try:
        return read(config_folder(cache) / VERIFIED, VerifiedCache, "all files are verified again")
    except FileNotFoundError:
        return VerifiedCache()
    except StoreError as err:
        log.warning("the record of a reference cache cannot be read: %s", err)
        return VerifiedCache()


def write_verified(cache: Path, verified: VerifiedCache) -> None:
    """Write the record of a cache if it changed."""
    if verified != read_verified(cache):
        write(config_folder(cache) / VERIFIED, verified)
