"""Landing: what a killed fetch left is used or removed, and what is in use is left alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.core.files import locked
from jwmirror.core.model import Product
from jwmirror.net import staging
from jwmirror.net.resume_record import ResumeRecord, resume_key, write_record
from jwmirror.net.staging import ABANDONED_S, staging_folder

RATE = Product(
    uri="mast:JWST/product/a_rate.fits",
    filename="a_rate.fits",
    program=1345,
    observation="o001",
    suffix="rate",
    size=10,
    checksum="0a" * 16,
)
CAL = structs.replace(RATE, uri="mast:JWST/product/a_cal.fits")
NEWER = structs.replace(RATE, checksum="0b" * 16)

FETCH = """
import sys, time
from pathlib import Path
from jwmirror.net.staging import staging_folder

with staging_folder(Path(sys.argv[1]), ()) as folder:
    (folder / f"{sys.argv[2]}.part").write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    """The folder for files under way, of a mirror."""
    return tmp_path / "objects" / "incoming"


def killed(incoming: Path, product: Product) -> Path:
    """The folder of a fetch that was killed when half of a product was there."""
    fetch = start(incoming, product)
    folder = Path(fetch.stdout.readline().strip())
    fetch.send_signal(signal.SIGKILL)
    fetch.communicate()
    return folder


def start(incoming: Path, product: Product) -> subprocess.Popen:
    """A fetch that tells its folder and then goes on for long."""
    words = [sys.executable, "-c", FETCH, str(incoming), resume_key(product)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> set[str]:
    """What is in a folder, but for locks."""
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def test_nothing_is_left_of_a_fetch_that_ended(incoming):
    """The folder of a fetch whose files were all taken goes away."""
    with staging_folder(incoming, [RATE]) as folder:
        (folder / "a.part").write_text("whole")
        (folder / "a.part").unlink()

    assert names(incoming) == set()


def test_the_next_fetch_takes_over_what_a_killed_one_left(incoming):
    """A file of the same version and its record come into the new fetch's folder."""
    left = killed(incoming, RATE)
    part = left / f"{resume_key(RATE)}.part"
    write_record(part, ResumeRecord(version=RATE.fingerprint, etag='"a"', size=10))

    with staging_folder(incoming, [RATE]) as folder:
        assert (folder / part.name).read_text() == "half"
        assert names(folder) == {part.name, f"{resume_key(RATE)}.kept"}
        assert not left.exists()


@pytest.mark.parametrize("wanted", [(), (CAL,), (NEWER,)])
def test_what_no_order_wants_is_swept(incoming, wanted):
    """Leftovers of other products, and of other versions of the same, are removed."""
    left = killed(incoming, RATE)

    with staging_folder(incoming, wanted) as folder:
        assert names(folder) == set()
    assert not left.exists()


def test_what_another_order_of_the_run_wants_stays(incoming):
    """A fetch of one observation leaves alone what the fetch of another will use."""
    left = killed(incoming, RATE)

    with staging_folder(incoming, [CAL], ordered=[CAL, RATE]):
        assert names(left) == {f"{resume_key(RATE)}.part"}


def test_files_of_a_fetch_under_way_are_not_touched(incoming):
    """A folder whose process lives is no leftover, though the same product is wanted."""
    fetch = start(incoming, RATE)
    theirs = Path(fetch.stdout.readline().strip())

    with staging_folder(incoming, [RATE]) as folder:
        mine = names(folder)
    kept = names(theirs)
    fetch.kill()
    fetch.communicate()

    assert mine == set()
    assert kept == {f"{resume_key(RATE)}.part"}


@pytest.mark.parametrize(("age", "stays"), [(ABANDONED_S / 2, True), (ABANDONED_S * 2, False)])
def test_what_another_host_left_is_swept_when_it_is_old(incoming, age, stays):
    """Locks of other hosts may not be seen here: only long untouched folders are theirs no more."""
    other = incoming / "elsewhere.x"
    other.mkdir(parents=True)
    (other / "a.part").write_text("half")
    then = other.stat().st_mtime - age
    for path in (other / "a.part", other):
        os.utime(path, (then, then))

    with staging_folder(incoming, [RATE]):
        pass

    assert other.exists() == stays


DAY = 86400.0
KEY = resume_key(RATE)


def left(incoming: Path, folder: str, *names: str, age: float = 0.0) -> Path:
    """A folder that a fetch left some time ago, with these files; a dot stands for this host."""
    abandoned = incoming / (f"{staging._host()}{folder}" if folder[0] == "." else folder)
    abandoned.mkdir(parents=True)
    for name in names:
        (abandoned / name).write_text(folder)
    for path in (*abandoned.iterdir(), abandoned):
        date(path, age)
    return abandoned


def date(path: Path, age: float) -> None:
    """Let a file or folder have been written to some seconds ago."""
    os.utime(path, (time.time() - age, time.time() - age))


@pytest.mark.parametrize(
    ("folder_age", "file_age", "stays"),
    [(6.9, 6.9, True), (7.1, 7.1, False), (8, 1, True), (1, 8, True)],
)
def test_a_folder_of_another_host_is_as_old_as_its_last_write(
    incoming, folder_age, file_age, stays
):
    """After seven days without one it is removed."""
    other = left(incoming, "elsewhere.x", "a.part", age=folder_age * DAY)
    date(other / "a.part", file_age * DAY)

    with staging_folder(incoming, [RATE]):
        pass

    assert other.exists() == stays


def test_stray_files_are_removed_when_they_are_old(incoming):
    """Not the lock of all fetches, however old it is."""
    incoming.mkdir(parents=True)
    for name, age in (("old", 8 * DAY), (f"{staging._host()}.new", 0.0), (".lock", 8 * DAY)):
        (incoming / name).touch()
        date(incoming / name, age)
    lock = (incoming / ".lock").stat().st_ino

    with staging_folder(incoming, [RATE]):
        assert (incoming / ".lock").stat().st_ino == lock

    assert names(incoming) == {f"{staging._host()}.new"}


def test_a_stray_file_that_vanishes_is_no_error(incoming, monkeypatch):
    """Another host may remove it at the same time."""
    incoming.mkdir(parents=True)
    (incoming / "old").touch()
    monkeypatch.setattr(staging, "_last_write", lambda path: path.unlink() or 0.0)

    with staging_folder(incoming, [RATE]):
        pass

    assert names(incoming) == set()


def test_every_abandoned_folder_is_emptied_and_the_first_file_is_used(incoming, monkeypatch):
    """In whatever order the folders are listed; a second file of the same version is removed."""
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(sorted(listed(folder))))
    folders = [left(incoming, f".{name}", f"{KEY}.part") for name in ("!", "0", "~")]

    with staging_folder(incoming, [RATE]) as folder:
        assert (folder / f"{KEY}.part").read_text() == ".!"

    assert [each.exists() for each in folders] == [False, False, False]


def test_only_unfinished_files_are_used_or_kept(incoming):
    """Others of the same name are removed; what is ordered here and elsewhere is used here."""
    other = resume_key(CAL)
    abandoned = left(
        incoming, ".x", f"{KEY}.part", f"{KEY}.fits", f"{other}.fits", f"{other}.part", "y.part"
    )

    with staging_folder(incoming, [RATE], ordered=[RATE, CAL]) as folder:
        assert names(folder) == {f"{KEY}.part"}
        assert names(abandoned) == {f"{other}.part"}


@pytest.mark.parametrize("which", ["of all fetches", "of the folder"])
def test_without_locks_nothing_is_taken_over(incoming, monkeypatch, which):
    """On a file system without locks, another fetch may be at work in a folder."""
    abandoned = left(incoming, ".x", f"{KEY}.part")

    @contextmanager
    def without(path: Path, **options: bool):
        is_of_all = path.parent == incoming
        is_of_own = path.parent not in (incoming, abandoned)
        with locked(path, **options) as is_locked:
            yield is_locked and not (is_of_all if which == "of all fetches" else is_of_own)

    monkeypatch.setattr(staging, "locked", without)
    with staging_folder(incoming, [RATE]) as folder:
        assert names(folder) == set()

    assert names(abandoned) == {f"{KEY}.part"}


def test_fetches_begin_and_end_one_after_the_other(incoming):
    """A fetch that finds another one beginning waits for it, and so it does at its end."""
    left(incoming, ".x", f"{KEY}.part")
    ended: list[str] = []

    def hold(name: str, began: threading.Event) -> None:
        with locked(incoming / ".lock", wait=True, make=True):
            began.set()
            time.sleep(0.2)
            ended.append(name)

    def other(name: str) -> None:
        began = threading.Event()
        threading.Thread(target=hold, args=(name, began)).start()
        began.wait()

    other("first")
    with staging_folder(incoming, [RATE]) as folder:
        assert ended == ["first"] and names(folder) == {f"{KEY}.part"}
        (folder / f"{KEY}.part").unlink()
        other("second")

    assert ended == ["first", "second"] and names(incoming) == set()


@pytest.mark.parametrize(
    ("name", "expected"), [("a.b.c", "a"), ("a", "a"), ("", "host"), (".b", "host")]
)
def test_a_folder_is_named_after_the_host(incoming, monkeypatch, name, expected):
    """So that what a host left is known to it."""
    monkeypatch.setattr(staging.socket, "gethostname", lambda: name)

    with staging_folder(incoming, [RATE]) as folder:
        assert folder.parent == incoming
        assert folder.name.startswith(f"{expected}.") and staging._host() == expected
