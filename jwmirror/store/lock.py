"""Mirror locks: which process may change a mirror.

A lock is a folder with one file, whose name is `free` or states the owner. To acquire, release or
take over the lock is to rename that file; if several processes try, the file system lets one do it.
A stale owner is detected through the process table on the same machine, and elsewhere through a
missing heartbeat, never through timestamps.
"""

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Self
from uuid import uuid4

import msgspec

from jwmirror.core.errors import LockedError, StoreError, plain_text
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, owner_of, sync_path
from jwmirror.core.jsonio import canonical, parse
from jwmirror.core.mirror import mark_mirror

RUN_LOCK = "run"  # of a run from its query to its end, and of prune; acquired before the other one
PUBLISHING_LOCK = "publishing"  # of every change to what is published
JOB_LOCK = "lock"  # in the work folder of a job
FREE = "free"
BEAT_S = 10.0  # between heartbeats
STILL_S = 300.0  # without a heartbeat, as seen by a waiting process: then a remote owner is dead
LOOK_S = 1.0  # the longest time between two looks of a waiting process

# ---- the owner -------------------------------------------------------------------------------

PLACE = ("host", "machine", "boot", "space")  # fields of an owner, in the order of its name
OUTERMOST = "pid--4026531836-"  # the pid namespace that Linux starts with: not a container's


@dataclass(frozen=True, kw_only=True)
class LockOwner:
    """One acquisition of a lock: the process, with what shows whether it is alive."""

    host: str
    machine: str  # permanent id of the host; empty if it has none
    boot: str  # id of this start of the machine
    space: str  # pid namespace; pids of one namespace can be compared
    pid: int
    started: str  # clock ticks from the start of the machine to the start of the process
    nonce: str = field(default_factory=lambda: uuid4().hex[:12])

    @classmethod
    def here(cls) -> Self:
        """Return an owner for this process."""
        pid = os.getpid()
        return cls(**_place(), pid=pid, started=_started(pid) or "")

    @property
    def name(self) -> str:
        """The name of the lock's file while this owner has the lock."""
        return "~".join(map(str, astuple(self)))

    @classmethod
    def of(cls, name: str) -> Self | None:
        """Return the owner that a file name states; None if it states none."""
        values = name.split("~")
        if len(values) != 7 or not values[4].isdigit():
            return None
        place = dict(zip(PLACE, values, strict=False))
        return cls(**place, pid=int(values[4]), started=values[5], nonce=values[6])

    def is_alive(self) -> bool | None:
        """Return whether the process is alive; None if that cannot be determined from here."""
        here = _place()
        if not self.boot or (self.host, self.machine) != (here["host"], here["machine"]):
            return None
        if self.boot != here["boot"]:  # started again since, or images with equal ids elsewhere
            is_machine = self.machine and self.space == here["space"] == OUTERMOST
            return False if is_machine else None
        if self.space != here["space"]:
            return None
        return _is_process(self.pid, self.started)


@cache
def _place() -> dict[str, str]:
    """Return what distinguishes this machine, its start and its pid namespace from others."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    boot = _first_line("/proc/sys/kernel/random/boot_id")
    values = (socket.gethostname(), _first_line("/etc/machine-id"), boot, space)
    plain = (re.sub(r"[^A-Za-z0-9.-]", "-", value)[:64] for value in values)
    return dict(zip(PLACE, plain, strict=True))


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _is_process(pid: int, started: str) -> bool:
    """Return whether that process runs; True if its start is unknown."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    ticks = _started(pid)
    return ticks is None or ticks == started


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks; empty if it is dead, None if unknown."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    state, *fields = status.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


# ---- the lock --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LockNote:
    """The owner's note in the lock's file, for people; no decision depends on it."""

    holder: str
    purpose: str
    since: str  # UTC


class MirrorLock:
    """An acquired lock. A thread touches its file, as a heartbeat, until the lock is released."""

    def __init__(self, folder: Path, owner: LockOwner, purpose: str):
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self.path = folder / owner.name
        self.note = LockNote(holder=owner.name, purpose=purpose, since=since)
        with suppress(OSError):  # on a full disk, prune needs the lock but not the note
            _write_note(self.path, self.note)
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name=f"{folder.name} lock", daemon=True).start()

    def check(self) -> None:
        """Do nothing while this process has the lock.

        Raises:
            StoreError: this process was suspended so long that another one took the lock over.
        """
        if not self.path.exists():
            raise StoreError(
                f"lock {self.path.parent} of {self.note.purpose}: taken over by another process, "
                f"because no heartbeat was seen for {STILL_S:g} s; run again."
            )

    def release(self) -> None:
        """Release the lock. Raises StoreError if another process has taken it over."""
        self._ended.set()
        free = self.path.with_name(FREE)
        try:
            os.rename(self.path, free)
        except FileNotFoundError:
            if not free.exists():
                self.check()
        failpoint("lock: released")

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(OSError):  # check() reports a lost lock
                os.utime(self.path)


@contextmanager
def mirror_lock(
    root: Path, purpose: str, wait_s: float | None = 0.0, name: str = PUBLISHING_LOCK
) -> Iterator[MirrorLock]:
    """Acquire a lock of the mirror at `root`, and release it at the end of the block.

    Wait up to `wait_s` seconds for another owner (None: without limit). Take the lock of a dead
    owner over. If both locks are needed, acquire RUN_LOCK first. Readers need no lock.

    Raises:
        LockedError: another process has the lock; the error names it.
    """
    lock = acquire_lock(root, purpose, wait_s, name)
    doing = f"lock {lock.path.parent}"
    try:
        with as_store_error(doing, "nothing was changed"):
            failpoint("lock: taken")
        yield lock
    finally:
        with as_store_error(doing, "the work is done, and the lock ends with this process"):
            lock.release()


@contextmanager
def both_locks(root: Path, purpose: str, wait_s: float | None, state: str) -> Iterator[MirrorLock]:
    """Acquire RUN_LOCK, then PUBLISHING_LOCK, which is yielded; `state` as in `as_store_error`.

    Raises:
        LockedError: another process has one of them, still after `wait_s` seconds.
    """
    with (
        as_store_error(purpose, state),
        mirror_lock(root, purpose, wait_s, RUN_LOCK),
        mirror_lock(root, purpose, wait_s) as lock,
    ):
        yield lock


def acquire_lock(
    root: Path, purpose: str, wait_s: float | None = 0.0, name: str = PUBLISHING_LOCK
) -> MirrorLock:
    """Acquire a lock as `mirror_lock` does; the caller releases it, or the end of the process.

    A new or empty folder becomes a mirror. StoreError for any other folder that is no mirror.
    """
    mark_mirror(Path(root))
    return acquire_folder(Path(root) / "locks" / name, root, purpose, wait_s)


def acquire_folder(folder: Path, root: Path, purpose: str, wait_s: float | None) -> MirrorLock:
    """Acquire the lock that is, or will be, this folder; `root`: of the mirror, for messages."""
    owner, watch = LockOwner.here(), LockWatch()
    deadline = None if wait_s is None else time.monotonic() + wait_s
    pause = LOOK_S / 64
    while True:
        try:
            seen = _file_name(folder)
            if watch.is_free(folder / seen):
                if _take_over(folder, seen, owner):
                    return MirrorLock(folder, owner, purpose)
                continue
        except PermissionError as err:
            raise StoreError(
                f"mirror {Path(root).absolute()}: it belongs to user {owner_of(root)}, and you "
                "may not write to it; nothing was changed; ask its owner to do this."
            ) from err
        except OSError as err:
            why = f"{plain_text(err)}; nothing was changed; correct that, and run again"
            raise StoreError(f"lock {folder.absolute()}: {why}.") from err
        if deadline is not None and time.monotonic() >= deadline:
            raise _held_error(folder / seen, root)
        time.sleep(pause)
        pause = min(LOOK_S, pause * 2)


def lock_note(root: Path, name: str = PUBLISHING_LOCK) -> LockNote | None:
    """Return the note of a lock's living owner, as far as known at once; None without one."""
    folder = Path(root) / "locks" / name
    for path in folder.iterdir() if folder.is_dir() else ():
        owner = LockOwner.of(path.name)
        if owner and owner.is_alive() is not False:
            return _read_note(path)
    return None


def lock_file(root: Path, note: LockNote, name: str = PUBLISHING_LOCK) -> Path:
    """Return the file of a lock while the owner of this note holds it; then it does not exist."""
    return Path(root) / "locks" / name / note.holder


class LockWatch:
    """Detects dead owners of one lock; remote ones by how long it was seen without a heartbeat."""

    def __init__(self) -> None:
        self._seen: object = None
        self._still_s = 0.0
        self._looked = time.monotonic()

    def is_free(self, path: Path) -> bool:
        """Return whether no living process has the lock, by its file; look every second."""
        if path.name == FREE:
            return True
        owner = LockOwner.of(path.name)
        is_alive = owner.is_alive() if owner else None
        if is_alive is not None:
            return not is_alive
        seen = (path.name, _touched(path))
        now = time.monotonic()
        # a suspended process or a clock that leaps counts for less
        passed = min(max(0.0, now - self._looked), 2 * LOOK_S)
        self._still_s = self._still_s + passed if seen == self._seen else 0.0
        self._seen, self._looked = seen, now
        return self._still_s >= STILL_S


def _file_name(folder: Path) -> str:
    """Return the name of the lock's file; make a free lock if no file exists."""
    while True:
        try:
            names = [name for name in os.listdir(folder) if not name.startswith(".")]
        except FileNotFoundError:
            names = []
        if names:
            return min(names, key=lambda name: (name != FREE, name))
        _make_free(folder)


def _make_free(folder: Path) -> None:
    """Make a free lock unless there is a lock: a folder with a file in it is never replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex}")
    temporary.mkdir()
    try:
        (temporary / FREE).touch()
        with suppress(OSError):  # another process made it, or a listing missed the renamed file
            os.rename(temporary, folder)
            sync_path(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_over(folder: Path, seen: str, owner: LockOwner) -> bool:
    """Rename the lock's file from the name it was `seen` under; return whether it is the owner's.

    It must be the only file then.
    """
    path = folder / owner.name
    with suppress(FileNotFoundError):
        os.rename(folder / seen, path)
    if not path.exists():  # a network file system may repeat a rename that succeeded, and then fail
        return False
    others = [name for name in os.listdir(folder) if name != owner.name and name[0] != "."]
    for name in others:  # a copy of the mirror that was laid over it brought a second file
        other = LockOwner.of(name)
        if name != FREE and (other is None or other.is_alive() is not False):
            path.unlink()
            return False
        (folder / name).unlink(missing_ok=True)
    return not others or _take_over(folder, owner.name, owner)


# ---- notes -----------------------------------------------------------------------------------


def _held_error(path: Path, root: Path) -> LockedError:
    owner, note = LockOwner.of(path.name), _read_note(path)
    unsure = (
        "; whether it is alive cannot be determined from here: a process that waits takes the "
        f"lock over when it has seen no heartbeat for {STILL_S:g} s"
    )
    return LockedError(
        str(root),
        note.purpose,
        owner.pid if owner else 0,
        owner.host if owner else path.name,
        note.since,
        "" if owner and owner.is_alive() else unsure,
    )


def _read_note(path: Path) -> LockNote:
    """Return the owner's note; before the owner has written it, only the name is known."""
    with suppress(OSError, msgspec.DecodeError):
        note = parse(path.read_bytes().partition(b"\n")[0], LockNote)
        if note.holder == path.name:
            return note
    return LockNote(holder=path.name, purpose="another process", since="just now")


def _write_note(path: Path, note: LockNote) -> None:
    """Write the note over that of the owner before. Never make the file: then the lock was lost."""
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, canonical(note).encode() + b"\n")
    finally:
        os.close(handle)


def _touched(path: Path) -> int | None:
    """Return when the file was last touched by its owner's clock; compare it with itself only."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
