"""The ledger of a reference cache: which of its files were verified, as they were then."""

import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from jwmirror.core.files import cached_digest
from jwmirror.core.model import read, write
from jwmirror.crds.server import config_folder

LEDGER = "jwmirror_verified.json"  # in the cache's config folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was verified, as it was then: while size and mtime are the same, so is it."""

    size: int  # bytes
    mtime_ns: int
    sha1: str

    @classmethod
    def of(cls, path: Path) -> "VerifiedFile":
        """Return the record of a file as it is now."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, cached_digest(path, "sha1"))

    def holds(self, path: Path) -> bool:
        """Whether a file is there, and not touched since."""
        with suppress(FileNotFoundError):
            status = path.stat()
            return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
        return False


@dataclass(frozen=True, kw_only=True)
class VerifiedCache:
    """What of a cache was verified; files never change under a name of CRDS."""

    files: dict[str, VerifiedFile] = field(default_factory=dict)
    contexts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # -> its mappings

    def restricted(self, context: str, references: Collection[str]) -> "VerifiedCache":
        """What it says of one context, its mappings, and some references."""
        mappings = self.contexts[context]
        names = {*references, *mappings}
        return VerifiedCache(
            files={name: seal for name, seal in self.files.items() if name in names},
            contexts={context: mappings},
        )


def read_verified(cache: Path) -> VerifiedCache:
    """What was verified; nothing, where there is no such file or it does not read."""
    try:
        return read(config_folder(cache) / LEDGER, VerifiedCache)
    except FileNotFoundError:
        return VerifiedCache()
    except msgspec.MsgspecError as err:
        log.warning("the ledger of %s does not read (%s): all files are verified anew", cache, err)
        return VerifiedCache()


def write_verified(cache: Path, ledger: VerifiedCache) -> None:
    """Remember what was verified."""
    if ledger != read_verified(cache):
        write(config_folder(cache) / LEDGER, ledger)
