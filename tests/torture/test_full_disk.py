"""A disk that has no room, or no inode left, at any stage: a clear error, and it goes on later."""

import os
import shutil
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from tests.setup.small_disks import PAGE
from tests.torture.commands import COMMANDS, facts, judge
from tests.torture.mill import buried, in_child, times

SIZE, INODES = 512 * PAGE, 600  # of the whole disk
FRUGAL = ("unpin", "release", "repair current")  # they need no room, or hardly any
ENOUGH = 200  # pages, or inodes: no command needs more
REFUSED = 7  # exit code of a command that told what the disk refused


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


def tried(name: str, root: Path, tell) -> None:
    """A command that may be refused; the exit code tells."""
    try:
        COMMANDS[name].do(root)
    except (StoreError, OSError) as error:
        is_told = isinstance(error, StoreError) or "update" in name  # which writes files itself
        os._exit(REFUSED if is_told and "No space left on device" in str(error) else 1)


@pytest.mark.slow
@pytest.mark.parametrize("leave", [leave_pages, leave_inodes])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_told_at_every_stage(small_disk, undisturbed, name, leave):
    """With each amount of room, from none to enough: told, whole, and on when there is room."""
    known, ends, disk = undisturbed[name], [], small_disk(SIZE, INODES)
    for room in range(0, ENOUGH, times(3, 1)):
        root = disk / str(room) / "mirror"
        shutil.copytree(known.place, root.parent, symlinks=True)
        filler = leave(disk, room)

        child, told = in_child(lambda tell, root=root: tried(name, root, tell))
        os.close(told)
        ends.append(buried(child))

        assert ends[-1] in (0, REFUSED), room
        judge(root, known.before, known.after)
        shutil.rmtree(filler)
        COMMANDS[name].do(root)
        assert facts(root) == known.after, room
        shutil.rmtree(root.parent)
        if ends[-1] == 0:
            break
    assert ends[-1] == 0, ends
    assert ends[0] == REFUSED or name in FRUGAL
