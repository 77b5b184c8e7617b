"""A small mirror made by hand: one observation, mirrored, recalibrated by one recipe, one run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.toy_files import toy_program
from tests.setup.mirrors import SmallMirror
from tests.setup.small_mirror import fill


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The folder of a mirror that does not exist yet."""
    return tmp_path / "mirror"


@pytest.fixture
def empty_mirror(tmp_path: Path) -> SmallMirror:
    """A mirror that nothing was put in yet."""
    return SmallMirror(root=tmp_path / "mirror")


@pytest.fixture
def small_mirror(empty_mirror: SmallMirror) -> SmallMirror:
    """One exposure and its mosaic, upstream and recalibrated; one file failed, one thing waits."""
    fill(empty_mirror)
    return empty_mirror


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> Path:
    """Toy files of program 1345."""
    folder = tmp_path_factory.mktemp("toys")
    toy_program(Archive(folder / "archive"), folder)
    return folder


@pytest.fixture
def archive(tmp_path, port, toys) -> Iterator[Archive]:
    """A served archive of its own for each test."""
    with Archive(tmp_path / "archive", port) as archive:
        archive.publish(*toys.glob("jw*"))
        yield archive
