"""The archive's folder, its state, and one record per file."""

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
    """One file of the archive: where its bytes are, and the facts that the tables list."""

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
        """MAST's URI of the file."""
        return f"mast:JWST/product/{self.filename}"


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of the archive at one moment."""

    holdings: dict[str, Holding] = field(default_factory=dict)  # by file name
    withdrawn: dict[str, Holding] = field(default_factory=dict)
    former: dict[str, Holding] = field(default_factory=dict)  # before they were last reprocessed
    obsids: dict[str, int] = field(default_factory=dict)  # by group; new when reprocessed
    counter: int = 0  # numbers given so far


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


class Folder:
    """The archive's folder: state.json and versions/. Writers take a lock, readers do not."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.state_path = self.path / "state.json"
        (self.path / "versions").mkdir(parents=True, exist_ok=True)

    def version_path(self, holding: Holding) -> Path:
        """Return the path of a holding's bytes."""
        return self.path / "versions" / holding.md5 / holding.filename

    def stamp(self) -> tuple[int, int] | None:
        """Return a value that changes whenever the state does."""
        try:
            found = self.state_path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def read(self) -> State:
        """Return the state written last."""
        try:
            return msgspec.json.decode(self.state_path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()

    @contextmanager
    def editing(self) -> Iterator[State]:
        """Lock the folder against other writers, in all processes, and yield the state."""
        with open(self.path / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()

    def write(self, state: State) -> None:
        """Replace the state atomically."""
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix="state.")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state, order="sorted"), indent=1))
        os.replace(temporary, self.state_path)

    def take(self, source: Path, filename: str) -> tuple[str, int]:
        """Copy a file's bytes into the folder; return their MD5 and size."""
        md5, size = md5_of(source), source.stat().st_size
        target = self.path / "versions" / md5 / filename
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
        return md5, size
