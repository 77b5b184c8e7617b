"""Landing: what a killed fetch left is used or removed, and what is in use is left alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.core.model import Product
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
