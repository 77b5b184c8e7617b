"""A file system whose kernel enforces a quota: btrfs in a file, mounted over a folder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

SIZE = 128 << 20  # bytes of the file system; the file is sparse
PROGRAMS = ("mkfs.btrfs", "btrfs", "mount", "umount")


def absent() -> str:
    """Why nobody here could have such a file system: a program that is not installed; or ""."""
    lacking = [name for name in PROGRAMS if not shutil.which(name)]
    return f"{', '.join(lacking)} not installed" if lacking else ""


@cache
def refused() -> str:
    """Why this user or kernel cannot have one; "" if there is no reason."""
    if os.geteuid() != 0:
        return "only root may mount a file system"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder)):
                return ""
        except subprocess.CalledProcessError as err:
            return f"{' '.join(err.cmd)}: {err.stderr.strip()}"


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A fresh btrfs with quotas over a folder; it is gone afterwards."""
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(SIZE)
        _run("mkfs.btrfs", "-q", "-f", image.name)
        _run("mount", "-o", "loop", image.name, str(folder))
        try:
            _run("btrfs", "quota", "enable", str(folder))
            yield
        finally:
            _run("umount", str(folder))


@contextmanager
def quota(folder: Path, room: int) -> Iterator[None]:
    """Keep what is in a folder, and let no more than about `room` bytes be added to it."""
    former = {path.name: path.read_bytes() for path in folder.iterdir()}
    with mounted(folder):
        for name, data in former.items():
            (folder / name).write_bytes(data)
        os.sync()
        told = _run("btrfs", "qgroup", "show", "--raw", str(folder)).splitlines()
        used = int(told[-1].split()[1])
        _run("btrfs", "qgroup", "limit", str(used + room), str(folder))
        yield


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
