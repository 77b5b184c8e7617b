"""Leases: who may change a mirror now; had by one rename, and told by who lives, never by a date.

A lease is a folder with one file in it, whose name says whose it is: `free`, or the holder. To
take it, give it back, or take it over from the dead is to rename that file from the name it was
seen under; of all who try, the file system lets one do it. Who lives is told by the process table
on the same machine; elsewhere only by a heartbeat that the observer itself saw stand still.
"""

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Self
from uuid import uuid4

import msgspec

from jwmirror.core.errors import HeldError, StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, sync_folder
from jwmirror.core.jsonio import canonical, parse

OUTERMOST = "pid--4026531836-"  # the space of pids that Linux starts with: no container's


@dataclass(frozen=True, kw_only=True)
class LockOwner:
    """One taking of a lease: the process, as far as it can be told whether it lives."""

    host: str
    machine: str  # the host's id for good; empty where it has none
    boot: str  # the id of this start of the machine
    space: str  # pids of one space can be compared
    pid: int
    started: str  # clock ticks after the start of the machine: no date
    nonce: str = field(default_factory=lambda: uuid4().hex[:12])

    @classmethod
    def here(cls) -> Self:
        """This process, about to take a lease."""
        pid = os.getpid()
        return cls(**_place(), pid=pid, started=_started(pid) or "")

    @property
    def name(self) -> str:
        """The name of the lease's file while this holder has it."""
        return "~".join(str(value) for value in asdict(self).values())

    @classmethod
    def of(cls, name: str) -> Self | None:
        """The holder that a file's name tells; None if it tells none."""
        values = name.split("~")
        if len(values) != 7 or not values[4].isdigit():
            return None
        named = dict(zip(cls.__dataclass_fields__, values, strict=True))
        return cls(**named | {"pid": int(values[4])})

    def lives(self) -> bool | None:
        """Whether the process lives; None if that cannot be told from here."""
        here = _place()
        if not self.boot or (self.host, self.machine) != (here["host"], here["machine"]):
            return None
        if self.boot != here["boot"]:  # started again since; or images with equal ids elsewhere
            is_machine = self.machine and self.space == here["space"] == OUTERMOST
            return False if is_machine else None
        if self.space != here["space"]:
            return None
        return _is_process(self.pid, self.started)


@cache
def _place() -> dict[str, str]:
    """What tells this machine, its start and its space of pids from others."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    told = {
        "host": socket.gethostname(),
        "machine": _first_line("/etc/machine-id"),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "space": space,
    }
    return {name: re.sub(r"[^A-Za-z0-9.-]", "-", value)[:64] for name, value in told.items()}


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _is_process(pid: int, started: str) -> bool:
    """Whether that very process runs; True if there is one of that pid, and no more can be told."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    found = _started(pid)
    return found is None or found == started


def _started(pid: int) -> str | None:
    """When a process started, in ticks after the machine did; empty if dead, None if unknown."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    state, *fields = told.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


PUBLISHING_LOCK = "publishing"  # had by whoever changes what is published
RUN_LOCK = "run"  # had by a run from its query to its end; prune wants it, too. Before PUBLISHING
FREE = "free"
BEAT_S = 10.0  # between heartbeats
STILL_S = 300.0  # without a heartbeat, seen by the observer: then a holder elsewhere is dead
LOOK_S = 1.0  # the longest time between two looks of who waits


@dataclass(frozen=True, kw_only=True)
class LockNote:
    """What a holder writes into the lease's file, for people: nothing is decided by it."""

    holder: str
    purpose: str
    since: str  # UTC


class MirrorLock:
    """A lease that is had; a thread touches its file, as a heartbeat, until it is released."""

    def __init__(self, folder: Path, owner: LockOwner, purpose: str):
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self.path = folder / owner.name
        self.note = LockNote(holder=owner.name, purpose=purpose, since=since)
        with suppress(OSError):  # a full disk: whoever makes room needs the lease, not the note
            _write_note(self.path, self.note)
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name=f"{folder.name} lease", daemon=True).start()

    def check(self) -> None:
        """StoreError if the lease was lost: this process stood still, and was taken for dead."""
        if not self.path.exists():
            raise StoreError(
                f"lease {self.path.parent} of {self.note.purpose}: taken over by another process, "
                f"because no heartbeat was seen for {STILL_S:g} s; run again."
            )

    def release(self) -> None:
        """Give the lease back; StoreError if it was lost meanwhile."""
        self._ended.set()
        free = self.path.with_name(FREE)
        try:
            os.rename(self.path, free)
        except FileNotFoundError:
            if not free.exists():
                self.check()
        failpoint("lease: released")

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(OSError):  # if it was lost, check() tells
                os.utime(self.path)


@contextmanager
def mirror_lock(
    root: Path, purpose: str, wait_s: float | None = 0.0, name: str = PUBLISHING_LOCK
) -> Iterator[MirrorLock]:
    """Have a lease of the mirror at `root`, alone; readers take none and never wait.

    Waits up to `wait_s` seconds for who has it (None: as long as it takes); then HeldError, which
    says who. A dead holder's lease is taken over. Who wants both takes RUN before PUBLISHING.
    """
    held = acquire_lock(root, purpose, wait_s, name)
    told = f"lease {held.path.parent}"
    try:
        with as_store_error(told, "nothing was changed"):
            failpoint("lease: taken")
        yield held
    finally:
        with as_store_error(told, "what was done is done, and the lease ends with this process"):
            held.release()


def acquire_lock(
    root: Path, purpose: str, wait_s: float | None = 0.0, name: str = PUBLISHING_LOCK
) -> MirrorLock:
    """Take a lease as `lease` does, without saying when it ends; it ends with the process."""
    folder, mine, watch = Path(root) / "locks" / name, LockOwner.here(), _Watch()
    deadline = None if wait_s is None else time.monotonic() + wait_s
    pause = LOOK_S / 64
    while True:
        try:
            seen = _token(folder)
            if seen == FREE or watch.is_dead(folder / seen):
                if _had(folder, seen, mine):
                    return MirrorLock(folder, mine, purpose)
                continue
        except OSError as err:
            raise StoreError(f"lease {folder}: {err}; nothing was changed.") from err
        if deadline is not None and time.monotonic() >= deadline:
            raise _held(folder / seen, root)
        time.sleep(pause)
        pause = min(LOOK_S, pause * 2)


def lock_note(root: Path, name: str = PUBLISHING_LOCK) -> LockNote | None:
    """Who has a lease now and lives, as far as can be told at once; for people."""
    folder = Path(root) / "locks" / name
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    for each in names:
        found = LockOwner.of(each)
        if found and found.lives() is not False:
            return _note(folder / each)
    return None


class _Watch:
    """Tells the dead; of a holder elsewhere, by how long it was seen without a heartbeat."""

    def __init__(self) -> None:
        self._seen: object = None
        self._still_s = 0.0
        self._looked = time.monotonic()

    def is_dead(self, path: Path) -> bool:
        found = LockOwner.of(path.name)
        lives = found.lives() if found else None
        if lives is not None:
            return not lives
        seen = (path.name, _touched(path))
        now = time.monotonic()
        passed = min(max(0.0, now - self._looked), 2 * LOOK_S)  # asleep, or the clock leapt: less
        self._still_s = self._still_s + passed if seen == self._seen else 0.0
        self._seen, self._looked = seen, now
        return self._still_s >= STILL_S


def _token(folder: Path) -> str:
    """The name of the lease's file; a new lease is free."""
    while True:
        try:
            names = [name for name in os.listdir(folder) if not name.startswith(".")]
        except FileNotFoundError:
            names = []
        if names:
            return min(names, key=lambda name: (name != FREE, name))
        _make(folder)


def _make(folder: Path) -> None:
    """A free lease, unless there is one: a folder with a file in it is never replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex}")
    temporary.mkdir()
    try:
        (temporary / FREE).touch()
        with suppress(OSError):  # another process made it, or a listing missed the file in motion
            os.rename(temporary, folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _had(folder: Path, seen: str, mine: LockOwner) -> bool:
    """Whether the lease's file, seen under a name, could be given mine, and is the only one."""
    path = folder / mine.name
    with suppress(FileNotFoundError):
        os.rename(folder / seen, path)
    if not path.exists():  # asked anew: a network file system may repeat a rename, and then fail
        return False
    others = [name for name in os.listdir(folder) if name != mine.name and name[0] != "."]
    for other in others:  # a copy of the mirror laid over it brought a second file
        known = LockOwner.of(other)
        if other != FREE and (known is None or known.lives() is not False):
            path.unlink()
            return False
        (folder / other).unlink(missing_ok=True)
    return not others or _had(folder, mine.name, mine)


def _held(path: Path, root: Path) -> HeldError:
    found, note = LockOwner.of(path.name), _note(path)
    unsure = (
        ""
        if found and found.lives()
        else (
            f"; whether it lives cannot be told from here: whoever waits takes the lease over when "
            f"it has seen no heartbeat for {STILL_S:g} s"
        )
    )
    return HeldError(
        str(root),
        note.purpose,
        found.pid if found else 0,
        found.host if found else path.name,
        note.since,
        unsure,
    )


def _note(path: Path) -> LockNote:
    """What the holder wrote; between taking and writing, nothing is known but its name."""
    with suppress(OSError, msgspec.DecodeError):
        note = parse(path.read_bytes().partition(b"\n")[0], LockNote)
        if note.holder == path.name:
            return note
    return LockNote(holder=path.name, purpose="another process", since="just now")


def _write_note(path: Path, note: LockNote) -> None:
    """Write the note's line over the former holder's; never makes the file: then it was lost."""
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, canonical(note).encode() + b"\n")
    finally:
        os.close(handle)


def _touched(path: Path) -> int | None:
    """When a holder's clock says it last touched the file; to be compared with itself only."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
