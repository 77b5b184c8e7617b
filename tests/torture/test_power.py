"""The power is cut while a mill works: on ext4 and XFS nothing acknowledged is lost."""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from tests.conftest import need
from tests.torture.mill import SEED, Account, Mill, end, grind, in_child, times

SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
FLUSH_LOG, NO_FLUSH = 1, 2  # what is in the journal's memory gets to the disk, or is lost
SYSTEMS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
CUTS = times(50, 500)  # of each file system
MIRROR_LIVES = 25
SIZE = 400 << 20  # bytes; sparse
LONGEST_S = 0.15
PATIENCE_S = 60


class Disk:
    """A file system in a file, which can be unplugged."""

    def __init__(self, folder: Path, system: str):
        self.image, self.place = folder / "image", folder / "disk"
        self.place.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(SIZE)
        subprocess.run([*SYSTEMS[system], str(self.image)], check=True)

    def plug(self) -> None:
        """Mount it; the file system recovers from its journal."""
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.place)], check=True)

    def cut(self, flag: int) -> None:
        """Nothing gets to the disk from now on."""
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", flag))
        finally:
            os.close(handle)

    def unplug(self) -> None:
        """Unmount it, as soon as those who were cut off have let go."""
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(["umount", str(self.place)], stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > deadline:
                subprocess.run(["umount", "--lazy", str(self.place)], check=True)
                raise TimeoutError(f"{self.place} is busy")
            time.sleep(0.02)


def lacking(system: str, folder: Path) -> str:
    """Why the power cannot be cut here; empty if it can."""
    if os.geteuid() != 0:
        return "cutting the power needs root, to mount file systems"
    disk = Disk(folder, system)
    try:
        disk.plug()
    except subprocess.CalledProcessError:
        return f"no {system} file system can be mounted from a file here"
    disk.unplug()
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_power_cuts_lose_nothing(chamber, system):
    """No acknowledged generation is lost, and no short object stands under its name."""
    (chamber / "trial").mkdir()
    if shutil.which(SYSTEMS[system][0]) is None:
        need(f"{SYSTEMS[system][0]} is not installed")
    if why := lacking(system, chamber / "trial"):
        pytest.skip(why)
    random, disk = Random(SEED), Disk(chamber, system)
    for cut in range(CUTS):
        root = disk.place / str(cut // MIRROR_LIVES)
        if cut % MIRROR_LIVES == 0:
            account = Account(root)
        seed, flag = random.randrange(10**9), random.choice([NO_FLUSH, NO_FLUSH, FLUSH_LOG])
        disk.plug()
        try:
            child, told = in_child(lambda tell, root=root, seed=seed: grind(root, seed, tell))
            time.sleep(random.uniform(0, LONGEST_S))
            disk.cut(flag)
            end(child, told, account)
        finally:
            disk.unplug()
        disk.plug()
        try:
            account.judge()
            if cut % MIRROR_LIVES == MIRROR_LIVES - 1:
                Mill(root, seed, account.hear).update()  # one more run goes through
                account.judge()
        finally:
            disk.unplug()
