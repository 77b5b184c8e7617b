"""The lock of a mirror: never two owners, no living one robbed, no dead one waited for."""

import os
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
