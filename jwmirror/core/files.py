"""Files: paths that stay below a folder; durable writes; who may read a file."""

import ctypes
import errno
import fcntl
import grp
import hashlib
import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from jwmirror.core.errors import DISK, JwmirrorError, StoreError, plain_text
from jwmirror.core.failpoints import failpoint

BLOCK = 1 << 20  # bytes read at a time
MAX_CONFIG = 16 << 20  # bytes of a file with a config or with parameters
MANY_FILES = 32  # from this number on, one syncfs is faster than an fsync of each
SYNCED_BY_SYNCFS = (0xEF53, 0x58465342, 0x9123683E, 0x01021994)  # ext4, XFS, btrfs, tmpfs


@contextmanager
def as_store_error(doing: str, state: str) -> Iterator[None]:
    """Convert an OSError (no space, no inode, read-only...) to a StoreError.

    `doing` names the operation, and `state` what is on disk after the error.
    """
    try:
        yield
    except OSError as err:
        raise StoreError(
            f"{doing}: the disk refused it ({plain_text(err)}); {state}; correct that, and run "
            "again."
        ) from err


def owner_of(path: Path) -> str:
    """Return the name of the user that a file belongs to; a number without a name."""
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def open_regular(path: Path | str) -> BufferedReader:
    """Open a file to read its bytes.

    OSError if it is a folder, a pipe, a socket or a device; `open` would wait for the writer of a
    pipe, which another user can put where a file is expected.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def read_bytes(path: Path | str, largest: int | None = None) -> bytes:
    """Return the bytes of a file; OSError as `open_regular`, or if it has more than `largest`."""
    with open_regular(path) as file:
        if largest is not None and os.fstat(file.fileno()).st_size > largest:
            raise OSError(errno.EFBIG, f"it has more than {largest} bytes", str(path))
        return file.read()


def are_paths_below(paths: Iterable[str]) -> bool:
    """Return whether relative paths, as written, stay below a folder and have plain names only."""
    text = f"/{'/'.join(paths)}/"
    return text.isprintable() and not any(part in text for part in ("//", "/./", "/../", "/~"))


def path_below(
    folder: Path, path: str, source: str, error: type[JwmirrorError] = StoreError
) -> Path:
    """Return the path of something to write, link or remove, which must be below `folder`.

    It is used wherever an answer, a config, an association or a record on disk names the path;
    `source` says which. The folder may be a link: its owner made it. The last name may be one, too,
    since to replace or remove a link does not change its target.

    Raises:
        JwmirrorError: of the class `error`, if the path is absolute, has a part that is no plain
            name (`..`, NUL, `~`), or leaves the folder through a link.
    """
    if problem := _problem_of_path(folder, path):
        where = f"{source}: {path!r} names a path below {folder}"
        raise error(f"{where}: {problem}; nothing was changed.")
    return folder / path


def _problem_of_path(folder: Path, path: str) -> str:
    """Return why a path is not below a folder; "" if it is."""
    if not are_paths_below([path]):
        return "expected plain names of files and folders"
    above, slash, _ = path.rpartition("/")
    target = os.path.realpath(folder / above) if slash else ""
    if target and not Path(target).is_relative_to(os.path.realpath(folder)):
        return f"found a link in it that leads to {target}; replace the link by a folder"
    return ""


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileStamp(NamedTuple):
    """The state of a file on disk. Every write changes `ctime_ns`, which no program can set."""

    inode: int
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileStamp":
        """Return the stamp of a file. OSError if it does not exist."""
        status = path.stat()
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def cached_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hex digest of a file; this process hashes it again only if its stamp changes."""
    return _digest_at(path, FileStamp.of(path), algorithm)


@lru_cache(maxsize=65536)
def _digest_at(path: Path, _stamp: FileStamp, algorithm: str) -> str:
    new = partial(hashlib.new, algorithm, usedforsecurity=False)
    with open_regular(path) as file:
        return hashlib.file_digest(file, new).hexdigest()


def sync_path(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_many(paths: Collection[Path]) -> None:
    """Make files, or the names in folders, of one file system durable.

    Many are synced by one call of Linux's syncfs if the file system is known to support it; it
    writes back everything else on that file system, too. Otherwise they are synced one by one.
    """
    paths = list(paths)
    if len(paths) < MANY_FILES or not _sync_file_system(paths[0]):
        for path in paths:
            sync_path(path)


def _sync_file_system(path: Path) -> bool:
    """Write back the whole file system of a path; return False where that is not reliable."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    status = ctypes.create_string_buffer(256)  # struct statfs; it begins with the type, a long
    handle = os.open(path, os.O_RDONLY)
    try:
        kind = ctypes.c_long.from_buffer(status)  # a view, which fstatfs sets
        if libc.fstatfs(handle, status) or kind.value not in SYNCED_BY_SYNCFS:
            return False
        if libc.syncfs(handle):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(handle)
    return True


@contextmanager
def replacing(path: Path, mode: int = 0o644, is_durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it durably replaces `path`.

    Readers of `path` see the former file or the complete new one. An error leaves nothing, and
    names `path`. Without `is_durable`, a power cut may empty the file.
    """
    hidden = f".{path.name[:60]}."
    with _errors_name(path, hidden):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=hidden)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            failpoint("file: written", temporary)
            os.chmod(temporary, mode)
            if is_durable:
                sync_path(temporary)
            failpoint("file: durable")
            os.replace(temporary, path)
            failpoint("file: named")
            if is_durable:
                sync_path(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _errors_name(path: Path, hidden: str) -> Iterator[None]:
    """Let errors that name no file, as those of `write` do, or a `hidden` one, name `path`."""
    try:
        yield
    except OSError as err:
        is_named = err.filename is not None and f"/{hidden}" not in str(err.filename)
        if err.errno and not is_named and err.filename2 is None:
            err.filename = str(path)
        raise


def write_bytes(
    path: Path, data: bytes | bytearray, mode: int = 0o644, is_durable: bool = True
) -> None:
    """Write `data` to `path` as `replacing` does, in one step for readers."""
    with replacing(path, mode, is_durable) as temporary:
        temporary.write_bytes(data)


def probe_disk(folder: Path) -> OSError | None:
    """Return the error of a disk that refuses a file of a megabyte in a folder; None if it fits."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(BLOCK))
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        return err if err.errno in DISK else None
    return None


def write_or_link(path: Path, pieces: Callable[[], Iterable[bytes]], same: Path | None) -> None:
    """Durably write bytes in pieces, or link to the file `same` if it has them already.

    `pieces` may be called twice. Systems refuse links to files of other users
    (protected_hardlinks): then a copy is written.
    """
    if same and _has_content(same, pieces()) and _is_linked(path, same):
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(pieces())


def _has_content(path: Path, pieces: Iterable[bytes]) -> bool:
    """Return whether a file has the bytes of all pieces, and no others."""
    with suppress(OSError), open_regular(path) as file:
        return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)
    return False


def _is_linked(path: Path, same: Path) -> bool:
    """Durably make a path a link to a file, in place of any other; return whether it may be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(same, temporary)
    except OSError:
        return False
    os.replace(temporary, path)
    temporary.unlink(missing_ok=True)  # if `path` was this file already, nothing was renamed
    sync_path(path.parent)
    return True


def replace_symlink(link: Path, target: str) -> None:
    """Point `link` at `target` by one rename, so that readers see the old or the new target."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    failpoint("link: made")
    os.replace(temporary, link)
    failpoint("link: named")
    sync_path(link.parent)


@contextmanager
def locked(path: Path, *, wait: bool = False, make: bool = False) -> Iterator[bool]:
    """Lock a folder, or a file (created if `make`); yield whether the lock was acquired.

    It is not if another process owns it and we do not `wait`, or if the file system has no locks.
    The kernel releases it when the process ends. OSError if the path is a link.
    """
    flags = os.O_RDWR | os.O_CREAT if make else os.O_RDONLY
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


# ---- who may read ----------------------------------------------------------------------------


def make_private(folder: Path) -> Path:
    """Make a folder that only its owner can enter, and return it; close it if it exists."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)
    return folder


def restrict(path: Path, group: str | None = None) -> bool:
    """Let only the owner of a file or folder, and the members of `group`, read it.

    Return whether another group could read it before.

    Raises:
        StoreError: the group does not exist, this user may not set group or mode, or it is a link.
    """
    status = os.lstat(path)
    mode, was_shared = stat.S_IMODE(status.st_mode) & 0o700, bool(status.st_mode & stat.S_IRGRP)
    if group is None:
        _set_access(path, mode)
        return was_shared
    try:
        number = grp.getgrnam(group).gr_gid
        _set_access(path, mode | (mode & 0o500) >> 3, number)
        return was_shared and status.st_gid != number
    except (LookupError, PermissionError) as err:
        raise StoreError(
            f"group of {path}: expected {group} (archive.group in the config); it cannot be set "
            f"({plain_text(err)}); name a group that you belong to, then run again."
        ) from err


def open_to_all(path: Path) -> None:
    """Let all users read a file. StoreError if this user may not set its mode, or it is a link."""
    _set_access(path, stat.S_IMODE(os.lstat(path).st_mode) | 0o044)


def _set_access(path: Path, mode: int, group: int | None = None) -> None:
    """Set mode and group of a file or folder, never those of the target of a link."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise StoreError(f"{path}: expected a file, found a link; remove it, then run again.")
    is_of_group = group in (None, status.st_gid)
    if is_of_group and stat.S_IMODE(status.st_mode) == mode:
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError as err:
        raise _not_owner(path, mode) from err
    try:
        if group is not None and not is_of_group:
            os.fchown(handle, -1, group)
        os.fchmod(handle, mode)
    except PermissionError as err:
        if group is not None:
            raise
        raise _not_owner(path, mode) from err
    finally:
        os.close(handle)


def _not_owner(path: Path, mode: int) -> StoreError:
    return StoreError(
        f"mode of {path}: expected {mode:04o}; only its owner can set it; let the owner run "
        f"`chmod {mode:04o}` on it, then run again."
    )
