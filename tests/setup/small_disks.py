"""Small file systems, mounted for a test; where that is not allowed, the test is skipped."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

PAGE = 4096  # bytes

DiskMaker = Callable[[int, int], Path]  # of bytes and inodes; the root is one of these


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[DiskMaker]:
    """A function that mounts a file system of some bytes and inodes, and returns its folder."""
    with ExitStack() as mounted:

        def mount(size: int, inodes: int) -> Path:
            place = tmp_path / f"disk{len(list(tmp_path.glob('disk*')))}"
            place.mkdir()
            options = f"size={size},nr_inodes={inodes}"
            words = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
            if os.geteuid() or subprocess.run(words, stderr=subprocess.DEVNULL).returncode:
                pytest.skip("a small disk cannot be mounted here: that needs root")
            end = ["umount", "--lazy", str(place)]
            mounted.callback(subprocess.run, end, check=True)
            return place

        yield mount
