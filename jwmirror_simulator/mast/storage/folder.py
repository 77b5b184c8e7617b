"""The archive's own memory: one record per file, the state of all, and the folder they live in."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from jwmirror_simulator.mast.storage.names import Name, parse

FIRST_OBSID = 87_600_000


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One file that the archive offers: where its bytes are, and what the tables say of it."""

    filename: str
    number: int  # ArchiveFileID
    md5: str  # of its bytes, which lie in versions/<md5>/<filename>
    size: int  # bytes
    ingested: str  # ISO, UTC
    released: str  # ISO, UTC; exclusive access before
    keywords: dict[str, str | int | float | bool] = field(default_factory=dict)  # FITS only
    parents: tuple[str, ...] = ()  # further groups that list it (of an association: its members)
    stale: bool = False

    @property
    def name(self) -> Name:
        """The parts of its file name."""
        return parse(self.filename)

    @property
    def uri(self) -> str:
        """What a client asks for."""
        return f"mast:JWST/product/{self.filename}"


@dataclass(frozen=True, kw_only=True)
class State:
    """All that the archive knows at one moment."""

    holdings: dict[str, Holding] = field(default_factory=dict)  # by file name
    withdrawn: dict[str, Holding] = field(default_factory=dict)
    obsids: dict[str, int] = field(default_factory=dict)  # by group; new when reprocessed
    counter: int = 0  # numbers given so far


def md5_of(path: Path) -> str:
    """Hex MD5 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


class Folder:
    """The archive's folder: state.json and versions/; edited under a lock, read without."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.state_path = self.path / "state.json"
        (self.path / "versions").mkdir(parents=True, exist_ok=True)

    def version_path(self, holding: Holding) -> Path:
        """Where a holding's bytes are."""
        return self.path / "versions" / holding.md5 / holding.filename

    def stamp(self) -> tuple[int, int] | None:
        """Changes whenever the state does."""
        try:
            found = self.state_path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def read(self) -> State:
        """The state as last written."""
        try:
            return msgspec.json.decode(self.state_path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()

    @contextmanager
    def editing(self) -> Iterator[State]:
        """Hold the lock of all editors, in this process and others, and yield the state."""
        with open(self.path / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()

    def write(self, state: State) -> None:
        """Replace the state in one step."""
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix="state.")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state, order="sorted"), indent=1))
        os.replace(temporary, self.state_path)

    def take(self, source: Path, filename: str) -> tuple[str, int]:
        """Copy a file's bytes in; gives their MD5 and size."""
        md5, size = md5_of(source), source.stat().st_size
        target = self.path / "versions" / md5 / filename
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
        return md5, size
