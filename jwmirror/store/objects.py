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
from jwmirror.core.files import as_store_error, sha256_of, sync_many
from jwmirror.core.model import Version

BLOCK = 1 << 22  # bytes read at a time
CHUNK = 64  # files per task


def hash_files(paths: Iterable[Path | str]) -> Iterator[tuple[str, str | OSError]]:
    """(path, hex sha256) of each file, in order; or the error that reading it gave."""
    threads = os.cpu_count() or 1
    pending = iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        while ahead := list(islice(pending, CHUNK * threads * 8)):
            chunks = [ahead[start : start + CHUNK] for start in range(0, len(ahead), CHUNK)]
            for found in pool.map(_sums, chunks):
                yield from found


def hash_open_file(handle: int, block: memoryview) -> str:
    """Hex sha256 of an open file, from where it stands; `block` is room to read into."""
    total = hashlib.sha256()
    while count := os.readv(handle, [block]):
        total.update(block[:count])
    return total.hexdigest()


def _sums(paths: Sequence[Path | str]) -> list[tuple[str, str | OSError]]:
    block = memoryview(bytearray(BLOCK))
    return [(str(path), _sum(path, block)) for path in paths]


def _sum(path: Path | str, block: memoryview) -> str | OSError:
    """Hex sha256 of a file, read in large blocks."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as err:
        return err
    try:
        return hash_open_file(handle, block)
    except OSError as err:
        return err
    finally:
        os.close(handle)


OPEN, CLOSED = 0o444, 0o400  # modes of public and of exclusive-access objects
SHARED = 0o440  # of exclusive-access objects that a group may read
GROUP = 8192  # files made durable together by take_many
THREADS = 8  # that hash at the same time


class ReadyFile(NamedTuple):
    """A finished file on the store's file system, with its final mode."""

    file: str
    sha256: str
    size: int  # bytes


class Objects:
    """The objects of one mirror; any number of processes may take files in at the same time."""

    def __init__(self, root: Path, group: str | None = None):
        self.folder = Path(root) / "objects"
        self.group = group  # may read exclusive-access objects; None: only their owner may

    @property
    def incoming(self) -> Path:
        """Where files are written before they are taken in (same file system); made on demand."""
        folder = self.folder / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, sha256: str) -> Path:
        """Where the object of that name is, or would be."""
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the object is there, whole as far as `size` (bytes) tells."""
        found = self.look(sha256)
        return found is not None and size in (None, found.st_size)

    def look(self, sha256: str) -> os.stat_result | None:
        """Length, mode and the like of the object of that name; None if it is not there."""
        try:
            found = os.stat(f"{self.folder}/{sha256[:2]}/{sha256}")  # of many: no Path for each
        except OSError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def take(self, file: Path, sha256: str | None = None, mode: int = OPEN) -> str:
        """Move a finished file in, durably, and return its sha256, which is hashed unless given."""
        return self.take_many([(file, sha256)], mode)[0]

    def take_many(
        self, files: Iterable[Path | tuple[Path, str | None]], mode: int = OPEN
    ) -> list[str]:
        """Move finished files in, durable group by group; their sha256, in order.

        After a crash each file is either at its place, whole, or still where it was.
        """
        pending = (each if isinstance(each, tuple) else (each, None) for each in files)
        taken: list[str] = []
        device = os.stat(self.incoming).st_dev
        with (
            as_store_error("ingest", "files that are not in the store are where they were"),
            ThreadPoolExecutor(THREADS) as pool,
        ):
            while group := list(islice(pending, GROUP)):
                chunks = [group[start : start + CHUNK] for start in range(0, len(group), CHUNK)]
                done = pool.map(lambda chunk: self._all_ready(chunk, mode, device), chunks)
                ready = [each for chunk in done for each in chunk]
                sync_many([each.file for each in ready])
                failpoint("ingest: bytes durable")
                self._settle(ready)
                taken += [each.sha256 for each in ready]
        return taken

    def take_all(self, versions: Sequence[Version], files: Sequence[Path]) -> None:
        """Move the verified files of versions in; those of exclusive products are closed.

        Bytes that the store has already stay closed if they are; only a publication opens them.
        """
        pairs = list(zip(versions, files, strict=True))
        for mode in (OPEN, CLOSED):
            hidden = mode == CLOSED
            mine = [(file, v.sha256) for v, file in pairs if v.product.exclusive == hidden]
            self.take_many(mine, mode)
        self.close(version.sha256 for version in versions if version.product.exclusive)

    def close(self, names: Iterable[str]) -> bool:
        """Restrict those objects that all users may read; return whether there was one."""
        found = ((sha256, self.look(sha256)) for sha256 in names)
        is_open = [sha256 for sha256, file in found if file and file.st_mode & stat.S_IROTH]
        for sha256 in is_open:
            self.restrict(sha256)
        return bool(is_open)

    def restrict(self, sha256: str) -> None:
        """Keep an object from other users, but for the group: its access is exclusive."""
        if self.group is None:
            self._set_mode(sha256, CLOSED)
        elif self._mode(sha256) != SHARED or self._group(sha256) != self.group:
            self._share(self.path(sha256))

    def release(self, sha256: str) -> None:
        """Let other users read an object that was restricted."""
        if self._mode(sha256) in (CLOSED, SHARED):
            self._set_mode(sha256, OPEN)

    def _share(self, path: Path) -> None:
        """Let the group read a file, and nobody else but its owner."""
        try:
            shutil.chown(path, group=self.group)
            os.chmod(path, SHARED)
        except (LookupError, PermissionError) as err:
            raise StoreError(
                f"group of {path}: expected {self.group} (archive.group in the config), and that "
                f"cannot be set ({err}); name a group that you belong to, then run again."
            ) from err

    def _group(self, sha256: str) -> str | None:
        """The name of the group that an object belongs to."""
        with suppress(KeyError):
            return self.path(sha256).group()
        return None

    def _mode(self, sha256: str) -> int:
        return stat.S_IMODE(os.stat(self.path(sha256)).st_mode)

    def _set_mode(self, sha256: str, mode: int) -> None:
        if self._mode(sha256) == mode:
            return
        try:
            os.chmod(self.path(sha256), mode)
        except PermissionError as err:
            raise StoreError(
                f"mode of object {self.path(sha256)}: expected {mode:04o}, and only its owner can "
                f"set that; let the owner run `chmod {mode:04o}` on it, then run again."
            ) from err

    def _all_ready(
        self, files: Sequence[tuple[Path, str | None]], mode: int, device: int
    ) -> list[ReadyFile]:
        block = memoryview(bytearray(BLOCK))  # one for many files: making it costs more than a read
        return [self._ready(str(file), sha256, mode, device, block) for file, sha256 in files]

    def _ready(
        self, file: str, sha256: str | None, mode: int, device: int, block: memoryview
    ) -> ReadyFile:
        """A file on the store's file system (`device`) with its final mode; opened once."""
        if os.stat(file).st_dev != device:
            file = self._brought_here(file)
        failpoint("ingest: bytes written", Path(file))
        handle = os.open(file, os.O_RDONLY)
        try:
            sha256 = sha256 or hash_open_file(handle, block)
            if mode == CLOSED and self.group:
                self._share(Path(file))
            else:
                os.chmod(handle, mode)
            return ReadyFile(file, sha256, os.fstat(handle).st_size)
        finally:
            os.close(handle)

    def _brought_here(self, file: str) -> str:
        """A copy in incoming/ of a file that lies on another file system, and is removed there."""
        handle, name = tempfile.mkstemp(dir=self.incoming)
        os.close(handle)
        shutil.copyfile(file, name)
        os.unlink(file)
        return name

    def _settle(self, ready: list[ReadyFile]) -> None:
        """Give durable files their names, then make the names durable."""
        for each in ready:
            self._name(each)
        failpoint("ingest: all named")
        folders = {self.folder / each.sha256[:2] for each in ready}
        sync_many([*folders, self.folder, self.folder.parent])
        failpoint("ingest: names durable")

    def _claim(self, place: str, sha256: str, size: int) -> bool:
        """Whether the object stands, right to its last byte, so that another copy can go.

        It is touched, so that a prune that runs now lets it be.
        """
        now = time.time_ns()
        try:
            os.utime(place, ns=(now, now))
        except FileNotFoundError:
            return False
        except PermissionError:  # another user's, who alone can remove it
            pass
        if not self.has(sha256, size):
            return False
        try:
            return sha256_of(Path(place)) == sha256
        except PermissionError:  # exclusive, and another user's, who would lose it
            return True
        except OSError:  # gone meanwhile, or the disk does not give it any more
            return False

    def _name(self, ready: ReadyFile) -> None:
        """Rename a file to its place; where the object already stands, sound, drop it instead."""
        file, sha256, size = ready
        place = f"{self.folder}/{sha256[:2]}/{sha256}"
        if not self._claim(place, sha256, size):
            try:
                os.replace(file, place)
            except FileNotFoundError:  # the first object of its folder
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.replace(file, place)
            failpoint("ingest: object named")
            return
        with suppress(FileNotFoundError):
            os.unlink(file)
        failpoint("ingest: second copy removed")
