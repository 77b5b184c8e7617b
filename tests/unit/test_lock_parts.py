"""The parts of the lock of a mirror: who owns it, how a process waits for it, its files."""

import os
import re
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import LockedError, StoreError
from jwmirror.core.mirror import mark_mirror
from jwmirror.store import lock
from jwmirror.store.lock import (
    FREE,
    OUTERMOST,
    PUBLISHING_LOCK,
    LockOwner,
    acquire_lock,
    lock_note,
)
from tests.unit.test_lock import claim, files

# ---- owners, direct ----------------------------------------------------------------------------

HERE = {"host": "h", "machine": "m", "boot": "b", "space": OUTERMOST}
MINE = LockOwner(**HERE, pid=12, started="34", nonce="n")


def test_an_owner_is_told_by_the_name_of_its_file():
    """Each field is in it, in this order."""
    assert MINE.name == f"h~m~b~{OUTERMOST}~12~34~n"
    assert LockOwner.of(MINE.name) == MINE


@pytest.mark.parametrize("name", ["free", "a~b~c~d~1~e", "a~b~c~d~1~e~f~g", "a~b~c~d~x~1~f"])
def test_another_name_states_no_owner(name):
    """It has other fields, or no pid."""
    assert LockOwner.of(name) is None


def test_this_process_is_an_owner_with_another_nonce_each_time():
    """So that two threads are told from each other."""
    one, two = LockOwner.here(), LockOwner.here()

    assert replace(one, nonce="") == replace(two, nonce="")
    assert one.nonce != two.nonce and len(one.nonce) == 12
    stat = Path("/proc/self/stat").read_text().split(") ")[-1].split()
    assert (one.pid, one.started) == (os.getpid(), stat[19])
    assert {name: getattr(one, name) for name in lock.PLACE} == lock._place()


def test_an_owner_whose_start_is_unknown_has_none(monkeypatch):
    """Its name still has seven fields."""
    monkeypatch.setattr(lock, "_started", lambda pid: None)

    assert LockOwner.here().started == ""


OTHER_BOOT = {"boot": "another"}
INSIDE = {"space": "pid--1-"}  # a container


@pytest.mark.parametrize(
    ("here", "owner", "expected"),
    [
        ({}, {}, "process"),
        (INSIDE, INSIDE, "process"),
        ({"boot": ""}, {"boot": ""}, None),
        ({}, {"host": "x"}, None),
        ({}, {"machine": "x"}, None),
        ({}, INSIDE, None),
        (INSIDE, {}, None),
        ({}, OTHER_BOOT, False),
        ({"machine": ""}, {"machine": "", **OTHER_BOOT}, None),
        (INSIDE, {**INSIDE, **OTHER_BOOT}, None),
        ({}, {**INSIDE, **OTHER_BOOT}, None),
        (INSIDE, OTHER_BOOT, None),
    ],
)
def test_whether_an_owner_is_alive_is_known_on_its_machine_only(monkeypatch, here, owner, expected):
    """By its pid; after a restart of the machine it is dead, outside containers."""
    monkeypatch.setattr(lock, "_place", lambda: HERE | here)
    asked = []
    monkeypatch.setattr(lock, "_is_process", lambda *process: asked.append(process) or "process")

    assert replace(MINE, **owner).is_alive() is expected
    assert asked == ([(12, "34")] if expected else [])


def test_a_place_has_names_that_fit_into_a_file_name(monkeypatch):
    """Other characters are replaced, long names cut."""
    monkeypatch.setattr(lock.socket, "gethostname", lambda: "a~b/c." + "x" * 99)

    place = lock._place.__wrapped__()

    assert place["host"] == ("a-b-c." + "x" * 99)[:64]
    assert place["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert place["space"] == os.readlink("/proc/self/ns/pid").translate(str.maketrans(":[]", "---"))
    assert place["machine"] == lock._first_line("/etc/machine-id")
    assert list(place) == ["host", "machine", "boot", "space"]


def test_what_a_machine_does_not_tell_is_empty(monkeypatch, tmp_path):
    """Without /proc, for example."""
    monkeypatch.setattr(lock.os, "readlink", lambda path: os.stat(tmp_path / "none"))
    monkeypatch.setattr(lock, "_first_line", lambda path: {"/etc/machine-id": "id"}.get(path, ""))

    place = lock._place.__wrapped__()

    assert (place["machine"], place["boot"], place["space"]) == ("id", "", "")


def test_the_first_line_of_a_missing_file_is_empty(tmp_path):
    """And has no line end otherwise."""
    (tmp_path / "id").write_text("abc\n")

    lines = [lock._first_line(str(tmp_path / name)) for name in ("id", "none")]

    assert lines == ["abc", ""]


def test_a_process_is_known_by_pid_and_start(monkeypatch):
    """One of another user is alive; so is one whose start cannot be read."""
    ticks = lock._started(os.getpid())
    assert lock._is_process(os.getpid(), ticks) is True
    assert lock._is_process(os.getpid(), "1") is False
    assert lock._is_process(2**22 + 1, ticks) is False

    def refuse(pid, number):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(lock.os, "kill", refuse)
    assert lock._is_process(os.getpid(), ticks) is True
    monkeypatch.setattr(lock, "_started", lambda pid: None)
    assert lock._is_process(1, "1") is True


def test_a_dead_process_has_no_start():
    """Though it is in the process table; one that is not there has an unknown one."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert lock._started(process.pid) == ""

    process.wait()
    assert lock._started(process.pid) is None


# ---- waiting, direct ---------------------------------------------------------------------------


class Clock:
    """A clock that sleeping moves."""

    def __init__(self, monkeypatch):
        self.now, self.pauses = 0.0, []
        monkeypatch.setattr(lock.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(lock.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        """Move the clock; not for ever."""
        self.now += seconds
        self.pauses.append(seconds)
        if len(self.pauses) > 20:
            raise TimeoutError


@pytest.mark.parametrize(
    ("wait_s", "pauses"),
    [
        (0.0, []),
        (3 / 64, [1 / 64, 1 / 32]),
        (2.0, [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 1]),
    ],
)
def test_a_waiting_process_looks_more_and_more_rarely(tmp_path, monkeypatch, wait_s, pauses):
    """At least once a second, until its time is over."""
    claim(tmp_path, LockOwner.here().name)
    clock = Clock(monkeypatch)

    with pytest.raises(LockedError):
        acquire_lock(tmp_path, "publish", wait_s)

    assert clock.pauses == pauses


def test_a_process_may_wait_without_limit(tmp_path, monkeypatch):
    """As long as the lock is not free."""
    claim(tmp_path, LockOwner.here().name)
    clock = Clock(monkeypatch)

    with pytest.raises(TimeoutError):
        acquire_lock(tmp_path, "publish", None)

    assert len(clock.pauses) == 21 and clock.pauses[-1] == 1


def test_a_remote_owner_is_dead_when_no_heartbeat_was_seen(tmp_path, monkeypatch):
    """A suspended observer, or a clock that leaps, counts at most two looks, and never less."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr(lock, "STILL_S", 10.0)
    path = tmp_path / replace(LockOwner.here(), host="elsewhere").name
    path.touch()
    watch = lock.LockWatch()

    def look(seconds: float) -> bool:
        clock.now += seconds
        return watch.is_free(path)

    assert [look(1.0) for _ in range(10)] == [False] * 10
    assert look(1.0) is True
    os.utime(path, (1, 1))
    assert [look(100.0) for _ in range(5)] == [False] * 5
    assert look(-50.0) is False
    assert look(100.0) is True
    path.unlink()
    assert look(1.0) is False


def test_a_local_owner_is_dead_or_not_at_once(tmp_path):
    """Nothing is waited for."""
    watch = lock.LockWatch()
    mine, dead = LockOwner.here(), replace(LockOwner.here(), started="1")

    assert (watch.is_free(tmp_path / mine.name), watch.is_free(tmp_path / dead.name)) == (
        False,
        True,
    )
    assert watch.is_free(tmp_path / "odd") is False


# ---- files of a lock, direct -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), FREE), ((".nfs1",), FREE), (("b", "a"), "a"), (("a", FREE, "z"), FREE)],
)
def test_the_file_of_a_lock_is_free_or_the_first(tmp_path, names, expected):
    """Hidden files do not count; without any, a free lock is made."""
    folder = tmp_path / "deep" / "locks" / "run"
    if names:
        folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()

    if names == (".nfs1",):
        (folder / ".nfs1").unlink()
    assert lock._file_name(folder) == expected
    assert os.listdir(folder.parent) == ["run"]


def test_a_lock_that_is_there_is_not_made_again(tmp_path):
    """Whoever has it."""
    claim(tmp_path, "a")
    folder = tmp_path / "locks" / PUBLISHING_LOCK

    lock._make_free(folder)

    assert os.listdir(folder) == ["a"] and os.listdir(folder.parent) == [PUBLISHING_LOCK]


DEAD = replace(LockOwner.here(), started="1").name
ALIVE = replace(LockOwner.here(), nonce="alive").name
REMOTE = replace(LockOwner.here(), host="elsewhere").name


@pytest.mark.parametrize(
    ("others", "is_ours", "left"),
    [
        ((), True, set()),
        ((".nfs1",), True, {".nfs1"}),
        ((FREE,), True, set()),
        ((DEAD,), True, set()),
        ((FREE, DEAD), True, set()),
        ((ALIVE,), False, {ALIVE}),
        ((REMOTE,), False, {REMOTE}),
        (("odd",), False, {"odd"}),
    ],
)
def test_a_lock_with_a_second_file_is_taken_if_that_is_free_or_dead(
    tmp_path, others, is_ours, left
):
    """Else it is given back."""
    for name in ("seen", *others):
        claim(tmp_path, name)

    taken = lock._take_over(tmp_path / "locks" / PUBLISHING_LOCK, "seen", MINE)

    assert taken is is_ours
    assert set(files(tmp_path)) == (left | {MINE.name} if is_ours else left)


def test_a_lock_that_another_process_took_meanwhile_is_not_ours(tmp_path):
    """Unless a network file system repeated our rename, and says that it failed."""
    claim(tmp_path, ALIVE)
    folder = tmp_path / "locks" / PUBLISHING_LOCK
    assert lock._take_over(folder, "seen", MINE) is False

    (folder / ALIVE).rename(folder / MINE.name)
    assert lock._take_over(folder, "seen", MINE) is True


def test_a_second_file_that_vanishes_is_no_error(tmp_path, monkeypatch):
    """Its process removed it."""
    claim(tmp_path, "seen")
    listed, count = os.listdir, iter((1, 0))
    monkeypatch.setattr(lock.os, "listdir", lambda path: [*listed(path), *[FREE] * next(count)])

    assert lock._take_over(tmp_path / "locks" / PUBLISHING_LOCK, "seen", MINE) is True


def test_the_note_of_a_lock_is_for_people(tmp_path):
    """Who, what for, and since when, to the second; the thread that touches it has its name."""
    mine = acquire_lock(tmp_path, "prune")
    try:
        note = lock_note(tmp_path)
        thread = next(each for each in threading.enumerate() if each.name == "publishing lock")
        assert thread.daemon
    finally:
        mine.release()

    assert (note.holder, note.purpose) == (mine.path.name, "prune")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", note.since)
    assert mine._ended.is_set()


def test_only_a_living_owner_has_a_note(tmp_path):
    """One of which nothing is known may be alive; its note may not be written yet."""
    assert lock_note(tmp_path) is None
    for name, expected in ((FREE, None), (DEAD, None), (REMOTE, REMOTE)):
        root = tmp_path / name[:20]
        claim(root, name)
        note = lock_note(root)

        assert (note and note.holder) == expected
    assert (note.purpose, note.since) == ("another process", "just now")


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ('{"holder":"a","purpose":"prune","since":"now"}\nrest of an older note', "prune"),
        ('{"holder":"b","purpose":"prune","since":"now"}\n', "another process"),
        ('{"holder":', "another process"),
        ("", "another process"),
    ],
)
def test_a_note_of_another_owner_or_none_says_nothing(tmp_path, text, purpose):
    """The file is renamed before the new note is written."""
    (tmp_path / "a").write_text(text)

    assert lock._read_note(tmp_path / "a").purpose == purpose
    assert lock._read_note(tmp_path / "none").holder == "none"


@pytest.mark.parametrize(
    ("name", "pid", "host", "is_sure"),
    [(ALIVE, os.getpid(), None, True), (REMOTE, os.getpid(), "elsewhere", False),
     ("odd", 0, "odd", False)],
    ids=["alive", "remote", "odd"],
)  # fmt: skip
def test_the_error_names_the_owner_as_far_as_it_is_known(tmp_path, name, pid, host, is_sure):
    """And says when it will be taken over."""
    error = lock._held_error(tmp_path / name, tmp_path)

    assert (error.pid, error.host) == (pid, host or LockOwner.here().host)
    assert str(error).startswith(f"mirror {tmp_path}: another process (process {pid} on ")
    assert error.since == "just now"
    assert ("no heartbeat" not in str(error)) == is_sure


def test_a_release_that_was_repeated_is_no_error(tmp_path):
    """A network file system may repeat a rename that succeeded, and then fail."""
    mine = acquire_lock(tmp_path, "prune")
    mine.path.rename(mine.path.with_name(FREE))

    mine.release()

    assert files(tmp_path) == [FREE]


def test_writing_a_note_makes_no_file_and_leaves_no_handle(tmp_path):
    """A lock that was lost is not made again."""
    note = lock.LockNote(holder="a", purpose="p", since="s")
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "a").touch()

    lock._write_note(tmp_path / "a", note)
    with pytest.raises(FileNotFoundError):
        lock._write_note(tmp_path / "b", note)

    assert len(os.listdir("/proc/self/fd")) == before
    assert lock._read_note(tmp_path / "a") == note and os.listdir(tmp_path) == ["a"]


def test_a_mirror_of_another_user_is_named_with_its_owner(tmp_path, monkeypatch):
    """A member of the group may read it; the message says whom to ask."""
    mirror = tmp_path / "mirror"
    mark_mirror(mirror)

    def refuse(*arguments: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock, "_take_over", refuse)

    with pytest.raises(StoreError, match=f"{mirror}: it belongs to user {mirror.owner()}, and you"):
        acquire_lock(mirror, "a test")
