"""The lock of a mirror: never two owners, no living one robbed, no dead one waited for."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
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
    RUN_LOCK,
    LockOwner,
    acquire_lock,
    lock_note,
    mirror_lock,
)

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
YEARS = ("-10y", "+10y")

HOLD = """
import sys, time
from jwmirror.store.lock import mirror_lock
with mirror_lock(sys.argv[1], "a test"):
    print("held", flush=True)
    sys.stdin.readline()
"""

FORKED = """
import os, random, sys
from jwmirror.store.lock import mirror_lock
root, crowd = sys.argv[1], int(sys.argv[2])

def contend():
    with mirror_lock(root, "a contender", None) as mine:
        alone = not os.path.exists(f"{root}/inside")
        with open(f"{root}/inside", "x"):
            mine.check()
        os.unlink(f"{root}/inside")
        os._exit((0 if os.getpid() % 5 else 9) if alone else 1)

children = []
for _ in range(crowd):
    child = os.fork()
    if not child:
        contend()
    children.append(child)
ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(sum(end in (0, 9) for end in ends), "alone")
"""


def start(code: str, *words: object, **environment: str) -> subprocess.Popen:
    """Another process that runs Python code."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


@pytest.fixture
def holding(tmp_path):
    """Start another process that has the lock of tmp_path until it is told, or killed."""
    started = []

    def hold(**environment: str) -> subprocess.Popen:
        started.append(start(HOLD, tmp_path, **environment))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def files(root: Path, name: str = PUBLISHING_LOCK) -> list[str]:
    """The files of a lock's folder."""
    return os.listdir(root / "locks" / name)


def claim(root: Path, name: str) -> None:
    """Let a lock be had by a holder of that name."""
    folder = root / "locks" / PUBLISHING_LOCK
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()


def test_a_lock_is_had_and_given_back(tmp_path):
    """Within the block there is a holder; after it none, and one free file."""
    with mirror_lock(tmp_path, "prune") as mine:
        mine.check()
        had = lock_note(tmp_path)

    assert (had.holder, had.purpose) == (mine.path.name, "prune")
    assert lock_note(tmp_path) is None
    assert files(tmp_path) == [FREE]


def test_who_comes_second_is_told_who_has_it(tmp_path, holding):
    """The error names purpose, process and host, and carries them."""
    first = holding()

    with pytest.raises(LockedError, match=f"a test .process {first.pid} on ") as caught:
        acquire_lock(tmp_path, "rollback")

    assert (caught.value.pid, caught.value.purpose) == (first.pid, "a test")
    assert isinstance(caught.value, StoreError)


def test_threads_of_one_process_exclude_each_other(tmp_path):
    """A process that has the lock does not get it again."""
    with mirror_lock(tmp_path, "one"), pytest.raises(LockedError):
        acquire_lock(tmp_path, "two")


def test_lock_of_two_names_are_two(tmp_path):
    """A run under way does not keep anybody from publishing."""
    with mirror_lock(tmp_path, "run", name=RUN_LOCK), mirror_lock(tmp_path, "publish") as mine:
        mine.check()


def test_who_waits_gets_it(tmp_path, holding):
    """A waiting process has the lock when its holder ends."""
    first = holding()
    threading.Timer(0.2, lambda: print(file=first.stdin, flush=True)).start()

    with mirror_lock(tmp_path, "prune", 60):
        assert first.wait(60) == 0


def test_a_wait_ends(tmp_path, holding):
    """After `wait_s` the holder is told, not waited for."""
    holding()
    began = time.monotonic()

    with pytest.raises(LockedError):
        acquire_lock(tmp_path, "prune", 0.3)

    assert 0.3 <= time.monotonic() - began < 10


def test_the_killed_are_not_waited_for(tmp_path, holding):
    """A holder that was killed, even if nobody has buried it yet, gives way at once."""
    first = holding()
    first.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the process table

    with mirror_lock(tmp_path, "publish") as mine:
        assert files(tmp_path) == [mine.path.name]


def test_a_stopped_process_keeps_its_lock(tmp_path, holding):
    """Who stands still on the same machine lives."""
    first = holding()
    first.send_signal(signal.SIGSTOP)

    with pytest.raises(LockedError):
        acquire_lock(tmp_path, "publish", 0.1)


def test_a_process_of_the_same_pid_is_not_the_holder(tmp_path):
    """A pid that was given to another process since does not keep the lock."""
    claim(tmp_path, replace(LockOwner.here(), started="1").name)

    with mirror_lock(tmp_path, "publish"):
        assert lock_note(tmp_path).purpose == "publish"


@pytest.mark.parametrize("machine", ["m", ""])
@pytest.mark.parametrize("space", [OUTERMOST, "pid--4026532001-"])
def test_what_a_machine_held_before_it_started_again_is_free(tmp_path, monkeypatch, machine, space):
    """After a power cut nobody waits; but of containers' ids others may have the same."""
    here = {"host": "h", "machine": machine, "boot": "now", "space": space}
    monkeypatch.setattr(lock, "_place", lambda: here)
    claim(tmp_path, replace(LockOwner.here(), boot="before").name)

    if machine and space == OUTERMOST:
        with mirror_lock(tmp_path, "publish"):
            pass
    else:
        with pytest.raises(LockedError, match="no heartbeat"):
            acquire_lock(tmp_path, "publish")


def test_two_containers_of_one_image_do_not_rob_each_other(tmp_path, monkeypatch):
    """Equal host name, machine id and pid, on one machine or on two: each other's lock is held."""
    mine = {"host": "h", "machine": "m", "boot": "now", "space": "pid--4026532001-"}
    monkeypatch.setattr(lock, "_place", lambda: mine)
    for other in ({"space": "pid--4026532002-"}, {"boot": "another"}):
        root = tmp_path / next(iter(other))
        claim(root, replace(LockOwner.here(), started="1", **other).name)

        with pytest.raises(LockedError, match="no heartbeat"):
            acquire_lock(root, "publish", 0.1)


@pytest.mark.parametrize("field", ["host", "machine", "space"])
def test_what_lives_elsewhere_is_not_judged_by_pids(tmp_path, field):
    """A holder on another machine, or in another container, is not dead for want of its pid."""
    claim(tmp_path, replace(LockOwner.here(), started="1", **{field: "elsewhere"}).name)

    with pytest.raises(LockedError, match="no heartbeat for 300 s"):
        acquire_lock(tmp_path, "publish", 0.1)


def test_a_holder_elsewhere_gives_way_when_it_was_seen_to_stand_still(tmp_path, monkeypatch):
    """Without a heartbeat for long enough, by the observer's own count, it is dead."""
    monkeypatch.setattr(lock, "STILL_S", 0.5)
    claim(tmp_path, replace(LockOwner.here(), host="elsewhere").name)
    began = time.monotonic()

    with mirror_lock(tmp_path, "publish", 60):
        assert time.monotonic() - began >= 0.5


def test_a_holder_elsewhere_keeps_its_lock_while_it_beats(tmp_path, monkeypatch):
    """Whatever date its heartbeats bear, they count."""
    monkeypatch.setattr(lock, "STILL_S", 1.5)
    monkeypatch.setattr(lock, "LOOK_S", 0.05)
    other = replace(LockOwner.here(), host="elsewhere")
    claim(tmp_path, other.name)
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while not ended.wait(0.05):
            count += 1
            date = (4_000_000_000, 100_000)[count % 2] - count  # in 2096, in 1970, ever earlier
            os.utime(tmp_path / "locks" / PUBLISHING_LOCK / other.name, (date, date))

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        with pytest.raises(LockedError):
            acquire_lock(tmp_path, "publish", 3)
    finally:
        ended.set()
        beating.join()


def test_a_lock_beats(tmp_path, monkeypatch):
    """A holder's file changes while it is held."""
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with mirror_lock(tmp_path, "publish") as mine:
        before = mine.path.stat().st_mtime_ns
        deadline = time.monotonic() + 60
        while mine.path.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_lost_lock_is_told(tmp_path):
    """Who was taken for dead learns it before it goes on, and cannot give back what it lost."""
    mine = acquire_lock(tmp_path, "publish")
    mine.path.rename(mine.path.with_name("another~taker"))

    with pytest.raises(StoreError, match="taken over by another process"):
        mine.check()
    with pytest.raises(StoreError, match="taken over by another process"):
        mine.release()


def test_a_backup_laid_over_a_mirror_does_not_free_its_lock(tmp_path, holding):
    """A second file in the lock's folder, free or of the dead, makes no second holder."""
    first = holding()
    claim(tmp_path, FREE)

    with pytest.raises(LockedError):
        acquire_lock(tmp_path, "publish", 0.2)
    first.kill()
    first.wait()
    claim(tmp_path, FREE)
    with mirror_lock(tmp_path, "publish") as mine:
        assert files(tmp_path) == [mine.path.name]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    """What the disk refuses is an error of the store, with the place."""
    mark_mirror(tmp_path)
    (tmp_path / "locks").write_text("not a folder")

    with pytest.raises(StoreError, match="locks/publishing"):
        acquire_lock(tmp_path, "publish")


def test_never_two_holders_of_two_hundred(tmp_path):
    """200 contenders, a fifth of whom die inside: each is alone, and each gets its turn."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(start(FORKED, tmp_path, 50)) for _ in range(4)]
        codes = [process.communicate()[0] for process in crowd]

    assert codes == ["50 alone\n"] * 4


def faketime(offset: str) -> dict[str, str]:
    """The environment of a process whose clock is off; skips, or fails, without libfaketime."""
    if FAKETIME is None and os.environ.get("JWMIRROR_REQUIRE_ALL"):
        pytest.fail("libfaketime is not installed")
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": offset}


@pytest.mark.parametrize("offset", YEARS)
def test_a_wrong_clock_does_not_steal_a_lock(tmp_path, holding, offset):
    """A process ten years ahead or behind finds the holder alive, and the dead dead."""
    first = holding()
    code = (
        "import sys, datetime; from jwmirror.store.lock import acquire_lock\n"
        "print(datetime.date.today().year)\nacquire_lock(sys.argv[1], 'thief', 0.2)"
    )

    thief = start(code, tmp_path, **faketime(offset))
    year = thief.communicate()[0]

    assert abs(int(year) - time.gmtime().tm_year) >= 9
    assert thief.returncode == 1
    first.kill()
    first.wait()
    heir = start(code, tmp_path, **faketime(offset))
    assert heir.communicate() and heir.returncode == 0


@pytest.mark.parametrize("offset", YEARS)
def test_a_holder_with_a_wrong_clock_keeps_its_lock(tmp_path, holding, offset):
    """A holder whose clock is ten years off is neither robbed nor waited for when dead."""
    first = holding(**faketime(offset))

    with pytest.raises(LockedError):
        acquire_lock(tmp_path, "thief", 0.2)
    first.kill()
    first.wait()
    with mirror_lock(tmp_path, "heir"):
        pass


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
