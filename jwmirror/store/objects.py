"""Objects: bytes named by their sha256, written once, read-only; `sha256sum` can check them."""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import (
    as_store_error,
    make_private,
    open_to_all,
    path_below,
    restrict,
    sha256_of,
    sync_many,
)
from jwmirror.core.model import Version
from jwmirror.core.names import SHA256

BLOCK = 1 << 22  # bytes read at a time
CHUNK = 64  # files per task


def hash_files(paths: Iterable[Path | str]) -> Iterator[tuple[str, str | OSError]]:
    """Yield (path, hex sha256) of each file, in order; for an unreadable file the error."""
    threads = os.cpu_count() or 1
    pending = iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(pending, CHUNK * threads * 8)):
            chunks = [batch[start : start + CHUNK] for start in range(0, len(batch), CHUNK)]
            for sums in pool.map(_sums, chunks):
                yield from sums


def hash_open_file(handle: int, block: memoryview) -> str:
    """Return the hex sha256 of an open file from its position on; `block` is the read buffer."""
    total = hashlib.sha256()
    while count := os.readv(handle, [block]):
        total.update(block[:count])
    return total.hexdigest()


def _sums(paths: Sequence[Path | str]) -> list[tuple[str, str | OSError]]:
    block = memoryview(bytearray(BLOCK))
    return [(str(path), _sum(path, block)) for path in paths]


def _sum(path: Path | str, block: memoryview) -> str | OSError:
    """Return the hex sha256 of a file, or the error that reading it raised."""
    try:
        with open(path, "rb", buffering=0) as file:
            return hash_open_file(file.fileno(), block)
    except OSError as err:
        return err


OPEN, CLOSED = 0o444, 0o400  # modes of public and of exclusive-access objects
SHARED = 0o440  # of exclusive-access objects that a group may read
GROUP = 8192  # files made durable together by add_files
THREADS = 8  # that hash at the same time


class ReadyFile(NamedTuple):
    """A finished file on the store's file system, with its final mode."""

    file: str
    sha256: str
    size: int  # bytes


class Objects:
    """The objects of one mirror. Several processes may take files in at the same time."""

    def __init__(self, root: Path, group: str | None = None):
        self.folder = Path(root) / "objects"
        self.group = group  # may read exclusive objects; None: only their owner may

    @property
    def incoming(self) -> Path:
        """The folder, made on demand, for files before they are taken in; on the same disk.

        Only its owner can enter it, because who may read the files is not decided yet.
        """
        return make_private(self.folder / "incoming")

    def path(self, sha256: str) -> Path:
        """Return the path of an object, whether or not it exists. StoreError for another name."""
        if not SHA256.fullmatch(sha256):
            raise StoreError(
                f"object {sha256!r}: expected a sha256 as its name; nothing was changed; the "
                "record that names it is damaged: restore it from a copy of the mirror."
            )
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Return whether the object exists, with this size (bytes; None: any)."""
        status = self.status(sha256)
        return status is not None and size in (None, status.st_size)

    def status(self, sha256: str) -> os.stat_result | None:
        """Return length, mode etc. of an object; None if it does not exist, or is a link."""
        if not SHA256.fullmatch(sha256):
            return None
        try:
            status = os.lstat(f"{self.folder}/{sha256[:2]}/{sha256}")  # a Path would take longer
        except OSError:
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def add(self, file: Path, sha256: str | None = None, mode: int = OPEN) -> str:
        """Move a finished file in, durably; return its sha256, which is computed unless given."""
        return self.add_files([(file, sha256)], mode)[0]

    def add_files(
        self, files: Iterable[Path | tuple[Path, str | None]], mode: int = OPEN
    ) -> list[str]:
        """Move finished files in, durably, in groups; return their sha256, in order.

        After a crash each file is either a complete object or still in its old place.
        """
        pending = (file if isinstance(file, tuple) else (file, None) for file in files)
        taken: list[str] = []
        device = os.stat(self.incoming).st_dev
        with (
            as_store_error("ingest", "files that are not in the store are in their old place"),
            ThreadPoolExecutor(THREADS) as pool,
        ):
            while group := list(islice(pending, GROUP)):
                chunks = [group[start : start + CHUNK] for start in range(0, len(group), CHUNK)]
                done = pool.map(lambda chunk: self._all_ready(chunk, mode, device), chunks)
                ready = [file for chunk in done for file in chunk]
                sync_many([Path(file.file) for file in ready])
                failpoint("ingest: bytes durable")
                self._name_all(ready)
                taken += [file.sha256 for file in ready]
        return taken

    def add_versions(self, versions: Sequence[Version], files: Sequence[Path]) -> None:
        """Move the verified files of versions in; those of exclusive products are closed.

        Bytes that the store has already stay closed if they are; only a publication opens them.
        """
        pairs = list(zip(versions, files, strict=True))
        for mode in (OPEN, CLOSED):
            hidden = mode == CLOSED
            mine = [(file, v.sha256) for v, file in pairs if v.product.is_closed == hidden]
            self.add_files(mine, mode)
        self.restrict_open(version.sha256 for version in versions if version.product.is_closed)

    def restrict_open(self, names: Iterable[str]) -> bool:
        """Restrict those objects that all users may read; return whether there was one."""
        statuses = ((sha256, self.status(sha256)) for sha256 in names)
        is_open = [name for name, status in statuses if status and status.st_mode & stat.S_IROTH]
        for sha256 in is_open:
            self.restrict(sha256)
        return bool(is_open)

    def restrict(self, sha256: str) -> bool:
        """Let only the owner and the group, if any, read an object.

        Return whether another group could.
        """
        return restrict(self.path(sha256), self.group)

    def open_to_all(self, sha256: str) -> None:
        """Let all users read an object."""
        open_to_all(self.path(sha256))

    def _all_ready(
        self, files: Sequence[tuple[Path, str | None]], mode: int, device: int
    ) -> list[ReadyFile]:
        block = memoryview(bytearray(BLOCK))  # shared: to make it takes longer than to read a file
        return [self._ready(str(file), sha256, mode, device, block) for file, sha256 in files]

    def _ready(
        self, file: str, sha256: str | None, mode: int, device: int, block: memoryview
    ) -> ReadyFile:
        """Put a file on the store's file system (`device`), and give it its final mode."""
        if os.stat(file).st_dev != device:
            file = self._copied_here(file)
        failpoint("ingest: bytes written", Path(file))
        with open(file, "rb", buffering=0) as opened:
            sha256 = sha256 or hash_open_file(opened.fileno(), block)
            os.chmod(opened.fileno(), mode)
            if mode == CLOSED and self.group:
                restrict(Path(file), self.group)
            return ReadyFile(file, sha256, os.fstat(opened.fileno()).st_size)

    def _copied_here(self, file: str) -> str:
        """Move a file from another file system to incoming/; return its new path."""
        handle, name = tempfile.mkstemp(dir=self.incoming)
        os.close(handle)
        try:
            shutil.copyfile(file, name)
        except OSError:
            os.unlink(name)
            raise
        os.unlink(file)
        return name

    def _name_all(self, ready: list[ReadyFile]) -> None:
        """Give durable files their names, then make the names durable."""
        for folder in {file.sha256[:2] for file in ready}:
            path_below(self.folder, f"{folder}/new", "an object")
        for file in ready:
            self._name(file)
        failpoint("ingest: all named")
        folders = {self.folder / file.sha256[:2] for file in ready}
        sync_many([*folders, self.folder, self.folder.parent])
        failpoint("ingest: names durable")

    def _is_sound(self, path: str, sha256: str, size: int) -> bool:
        """Return whether the object exists and every byte of it is right.

        It is touched, so that a prune that runs now does not remove it.
        """
        now = time.time_ns()
        try:
            os.utime(path, ns=(now, now))
        except FileNotFoundError:
            return False
        except PermissionError:  # of another user, and only that user can remove it
            pass
        try:
            return self.has(sha256, size) and sha256_of(Path(path)) == sha256
        except PermissionError:  # exclusive, and of another user: do not replace it
            return True
        except OSError:  # removed meanwhile, or the disk cannot read it any more
            return False

    def _name(self, ready: ReadyFile) -> None:
        """Rename a file to its object; if a sound object exists, delete the file instead."""
        file, sha256, size = ready
        path = f"{self.folder}/{sha256[:2]}/{sha256}"
        if not self._is_sound(path, sha256, size):
            try:
                os.replace(file, path)
            except FileNotFoundError:  # the first object of its folder
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.replace(file, path)
            failpoint("ingest: object named")
            return
        with suppress(FileNotFoundError):
            os.unlink(file)
        failpoint("ingest: second copy removed")
