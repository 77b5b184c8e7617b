"""A disk that has no room, or no inode left, at any stage: a clear error, and it goes on later."""

import os
import subprocess
from pathlib import Path

import pytest

from jwmirror.errors import StoreError
from jwmirror.store.generations import Generations
from tests.torture.mill import Account, end, in_child, publish, result, shown, state_of, upstream

PAGE = 4096  # bytes
SIZE, INODES = 512 * PAGE, 600  # of the whole disk
REFUSED = 7  # exit code of a command that told what the disk refused


@pytest.fixture
def small_disk(tmp_path):
    """A small file system of its own; skips where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},nr_inodes={INODES}", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a small disk cannot be mounted here: that needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def leave_pages(disk: Path, count: int) -> Path:
    """Fill the disk but for `count` pages; what fills it."""
    filler = disk / "filler"
    filler.mkdir()
    (filler / "bytes").touch()
    free = os.statvfs(disk).f_bavail - count
    with open(filler / "bytes", "wb") as file:
        file.write(bytes(max(0, free) * PAGE))
    return filler


def leave_inodes(disk: Path, count: int) -> Path:
    """Use up the disk's inodes but for `count`; what uses them."""
    filler = disk / "filler"
    filler.mkdir()
    for number in range(max(0, os.statvfs(disk).f_favail - count)):
        (filler / str(number)).touch()
    return filler


def update(root: Path, turn: int) -> None:
    """Take in two files and a result, and publish them."""
    rows = upstream(root, {"a": f"a{turn}".encode() * 3000, "b": f"b{turn}".encode()})
    publish(root, [*rows, result(root, "c", f"c{turn}".encode())])


def tried(root: Path, turn: int, tell) -> None:
    """An update that may be refused; the exit code tells."""
    try:
        update(root, turn)
    except (StoreError, OSError) as error:
        os._exit(REFUSED if "No space left on device" in str(error) else 1)


@pytest.mark.parametrize(("leave", "most"), [(leave_pages, 40), (leave_inodes, 40)])
def test_a_full_disk_is_told_at_every_stage(small_disk, leave, most):
    """With each amount of room from none on: told, the old state readable, and on with room."""
    root, ends = small_disk / "mirror", set()
    update(root, 0)
    account = Account(root)
    for room in range(most):
        account.allowed, before = set(range(1000)), Generations(root).needed_current().number
        filler = leave(small_disk, room)

        told = end(
            *in_child(lambda tell, room=room: tried(root, 1000 + room, tell)), account, False
        )

        ends.add(told)
        assert told in (0, REFUSED)
        assert Generations(root).needed_current().number >= before
        assert set(shown(root)) == set(state_of(root, before))
        subprocess.run(["rm", "-r", str(filler)], check=True)
        account.judge()
        update(root, 1000 + room)
        account.allowed = set(range(1000))
        account.judge()
        subprocess.run(["rm", "-rf", str(root)], check=True)
        update(root, 0)
        account = Account(root)
    assert ends == {0, REFUSED}
