"""Where torture takes place: in memory, where that can be had, so that fsync costs nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.small_disks import small_disk  # noqa: F401
from tests.torture.commands import COMMANDS, Undisturbed, earlier
from tests.torture.commands import undisturbed as done_once
from tests.torture.mill import SEED, SHARM


@pytest.fixture
def chamber(tmp_path) -> Iterator[Path]:
    """An empty folder, in memory if possible."""
    if not os.access(SHARM, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=SHARM, prefix="jwmirror-torture."))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> dict[str, Undisturbed]:
    """Each command, done once."""
    first = tmp_path_factory.mktemp("earlier") / "mirror"
    earlier(first)
    return {
        name: done_once(command, first, tmp_path_factory.mktemp("command"))
        for name, command in COMMANDS.items()
    }


@pytest.fixture(autouse=True)
def told_seed() -> None:
    """A failure shows what to set to have it again."""
    print(f"JWMIRROR_TORTURE_SEED={SEED}")
