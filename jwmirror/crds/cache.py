"""A CRDS cache on disk: its configuration, and the record of the files that were verified."""

import ast
import errno
import logging
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jwmirror.core.errors import (
    ClosedError,
    ReferencesError,
    StoreError,
    disk_error,
    failures_as,
    plain_text,
)
from jwmirror.core.files import FileStamp, cached_digest, owner_of, read_bytes, write_bytes
from jwmirror.core.model import digest, read, write
from jwmirror.core.names import OBSERVATORY, cache_path

VERIFIED = "jwmirror_verified.json"  # in the cache's config folder
SERVER_CONFIG = "server_config"
SUBDIR_MODE, BY_INSTRUMENT = "ref_cache_subdir_mode", "instrument"
BAD_FILES = "bad_files.txt"
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
BULKY = ("download_metadata", "mappings", "context_history")  # megabytes that are unused offline

log = logging.getLogger(__name__)


@contextmanager
def cache_errors(cache: Path) -> Iterator[None]:
    """Convert errors on files of a cache to ReferencesError; others pass, and those of a disk."""
    try:
        yield
    except OSError as err:
        is_of_cache = Path(str(err.filename)).absolute().is_relative_to(cache.absolute())
        if disk_error(err) or not is_of_cache:
            raise
        raise ReferencesError(
            f"the reference cache {cache}: {plain_text(err)}; let this user read all of it (`chmod "
            "-R a+rX`, by its owner), or name another folder in references.cache in the config."
        ) from err


def config_folder(cache: Path) -> Path:
    """Return the folder of a cache's configuration."""
    return cache / "config" / OBSERVATORY


def is_ours(path: Path) -> bool:
    """Return whether a cache, or a file of one, belongs to this user, or does not exist yet."""
    try:
        return path.stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return True


def can_write(folder: Path) -> bool:
    """Return whether this user can write to a folder, or make it where it does not exist."""
    while not folder.exists():
        folder = folder.absolute().parent
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


def write_config(cache: Path, info: dict[str, Any]) -> None:
    """Write the parts of a server's description that the crds package needs offline.

    A configuration in a cache of another user stays as it is.

    Raises:
        ReferencesError: the cache may only be read, and has no configuration yet; or files in a
            cache of another user are not in folders of instruments.
    """
    if has_config(cache) and not is_ours(cache):
        _check_subfolders(cache)
        return
    with failures_as(lambda why: ReferencesError(f"CRDS's own description is invalid: {why}.")):
        files = {name: text.encode() for name, text in _config_files(info).items()}
    try:
        for name, content in files.items():
            _replace(config_folder(cache) / name, content)
    except OSError as err:
        if err.errno not in READ_ONLY or not has_config(cache):
            raise ReferencesError(
                f"the reference cache {cache} cannot be written: {plain_text(err)}; correct the "
                "permissions, or name another cache in references.cache in the config."
            ) from err
        log.warning("the configuration in %s stays as it is: %s", cache, plain_text(err))


def _replace(path: Path, content: bytes) -> None:
    """Write a file, unless it has this content."""
    with suppress(OSError):
        if read_bytes(path) == content:
            return
    write_bytes(path, content)


def _check_subfolders(cache: Path) -> None:
    """Raise ReferencesError unless the references of a cache are in folders of instruments."""
    mode = read_bytes(config_folder(cache) / SUBDIR_MODE).decode(errors="replace").strip()
    if mode != BY_INSTRUMENT:
        raise ReferencesError(
            f"the reference cache {cache} of user {owner_of(cache)}: expected references in "
            f"folders of instruments, found mode {mode!r} in {SUBDIR_MODE}; nothing was written; "
            "name another folder in references.cache in the config."
        )


def _config_files(info: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a cache's configuration, by name."""
    config = {key: value for key, value in info.items() if key not in BULKY}
    config |= {"status": "cache", "connected": False}
    config.setdefault("operational_context", config.get("latest_context"))
    return {
        SERVER_CONFIG: repr(dict(sorted(config.items()))),  # crds reads a Python literal
        SUBDIR_MODE: BY_INSTRUMENT,
        BAD_FILES: "\n".join(info.get("bad_files_list", ())),
    }


def retracted_in(cache: Path) -> frozenset[str]:
    """Return the files that CRDS declared invalid when it last described itself to this cache."""
    with suppress(OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        config = ast.literal_eval(read_bytes(config_folder(cache) / SERVER_CONFIG).decode())
        return frozenset(config.get("bad_files_list", ()))
    return frozenset()


def has_config(cache: Path) -> bool:
    """Return whether a cache can be used offline."""
    names = (SERVER_CONFIG, SUBDIR_MODE)
    return all((config_folder(cache) / name).exists() for name in names)


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was verified; it stays so while its stamp is the same."""

    size: int  # bytes
    mtime_ns: int
    sha1: str
    inode: int = 0  # 0: recorded by a jwmirror that did not know inode and ctime
    ctime_ns: int = 0

    @classmethod
    def of(cls, path: Path) -> "VerifiedFile":
        """Return the record of a file as it is now."""
        stamp = FileStamp.of(path)
        sha1 = cached_digest(path, "sha1")
        return cls(stamp.size, stamp.mtime_ns, sha1, stamp.inode, stamp.ctime_ns)

    def is_unchanged(self, path: Path) -> bool:
        """Return whether the file is there, and was not written to since."""
        with suppress(FileNotFoundError):
            return FileStamp.of(path) == (self.inode, self.size, self.mtime_ns, self.ctime_ns)
        return False

    def verified_again(self, path: Path) -> "VerifiedFile | None":
        """Return the record of the file as it is now; None if its bytes are not those verified.

        The file is hashed only if its stamp changed, as by a copy of the cache.
        """
        if self.is_unchanged(path):
            return self
        if not path.is_file():  # but perhaps a pipe, in a cache where others can write
            return None
        with suppress(FileNotFoundError):
            present = VerifiedFile.of(path)
            return present if present.sha1 == self.sha1 else None
        return None


@dataclass(frozen=True, kw_only=True)
class VerifiedCache:
    """The verified files of a cache by name, and the contexts whose mappings are all there."""

    files: dict[str, VerifiedFile] = field(default_factory=dict)
    contexts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # -> mappings

    def still_verified(self, paths: Mapping[str, Path]) -> dict[str, VerifiedFile]:
        """Return the records, as they are now, of those files that have the bytes of before."""
        known = {name: self.files[name] for name in paths.keys() & self.files.keys()}
        files = {name: file.verified_again(paths[name]) for name, file in known.items()}
        return {name: file for name, file in files.items() if file}

    def restricted(self, contexts: Collection[str], references: Collection[str]) -> "VerifiedCache":
        """Return the record of some contexts, their mappings, and some references."""
        mappings = {context: self.contexts[context] for context in contexts}
        names = {*references, *(name for of_context in mappings.values() for name in of_context)}
        files = {name: file for name, file in self.files.items() if name in names}
        return VerifiedCache(files=files, contexts=mappings)


def ledger_of(mirror: Path, cache: Path) -> Path:
    """Return the file in which a mirror records what it verified in a cache of another user."""
    return mirror / "receipts" / "references" / f"{_short_name(cache)}.json"


def read_verified(cache: Path, ledger: Path | None = None) -> VerifiedCache:
    """Return the record of a cache; an empty one if it is missing or cannot be read.

    What the `ledger` of a mirror adds counts too; so does the record of the user that an earlier
    version kept for a cache that may only be read.
    """
    paths = (config_folder(cache) / VERIFIED, _earlier_record(cache), ledger)
    records = [_read(path) for path in paths if path]
    return VerifiedCache(
        files={name: file for record in records for name, file in record.files.items()},
        contexts={name: all_ for record in records for name, all_ in record.contexts.items()},
    )


def _read(path: Path) -> VerifiedCache:
    try:
        return read(path, VerifiedCache, "all files are verified again")
    except (FileNotFoundError, ClosedError):
        return VerifiedCache()
    except StoreError as err:
        log.warning("the record of a reference cache cannot be read: %s", err)
        return VerifiedCache()


def _earlier_record(cache: Path) -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "jwmirror" / f"{_short_name(cache)}.json"


def _short_name(cache: Path) -> str:
    return digest(str(cache.resolve()))[:16]


def contexts_including(cache: Path, mapping: str, ledger: Path | None = None) -> tuple[str, ...]:
    """Return the contexts that include a mapping, as far as they were synced; none otherwise."""
    contexts = read_verified(cache, ledger).contexts
    return tuple(sorted(context for context in contexts if mapping in contexts[context]))


def write_verified(cache: Path, verified: VerifiedCache, ledger: Path | None = None) -> None:
    """Write the record of a cache if it changed.

    It is written to the cache if that is ours and can be written, otherwise to the `ledger`;
    without one it is not kept, and files are hashed again.
    """
    if verified == read_verified(cache, ledger):
        return
    if is_ours(cache):
        try:
            write(config_folder(cache) / VERIFIED, verified)
            return
        except OSError as err:
            if err.errno not in READ_ONLY:
                raise
    if ledger:
        write(ledger, verified)


class CacheHashes:
    """The sha1 of the references of a cache, as their bytes are now.

    A file is hashed unless its stamp is the one under which it was verified or hashed before. Any
    thread may ask.
    """

    def __init__(self, cache: Path, ledger: Path | None = None):
        self._cache = Path(cache)
        self._verified = read_verified(self._cache, ledger).files
        self._lock = threading.Lock()  # so that threads do not hash one file at the same time

    def sha1_of(self, name: str) -> str:
        """Return the hex sha1 of a reference; "" if it is not in the cache."""
        path, known = cache_path(self._cache, name), self._verified.get(name)
        if known and known.is_unchanged(path):
            return known.sha1
        with self._lock, suppress(FileNotFoundError):
            return cached_digest(path, "sha1")
        return ""
