"""What all tests share: parts a test needs that a machine may lack, and the built observatory."""

import contextlib
import multiprocessing
import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from demo.__main__ import play
from demo.acts import ACTS
from demo.site import Site
from jwmirror.pipeline.child_environment import remove_user_variables
from jwmirror_simulator.observatory import Observatory

for name in ("NO_PROXY", "no_proxy"):  # the simulated servers are here, whatever proxies there are
    os.environ[name] = "127.0.0.1,localhost"
remove_user_variables()  # as at the start of a run; later, it would remove what tests set


settings.register_profile("busy", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("busy")

UNIT = Path(__file__).parent / "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that start processes first.

    They are long: at the end, all processes but one would wait for the last of them.
    """
    items.sort(key=lambda item: UNIT in item.path.parents)


def need(missing: str) -> None:
    """Skip the test for this reason; where all parts must be there (CI), fail instead."""
    if missing and os.environ.get("JWMIRROR_REQUIRE_ALL"):
        pytest.fail(f"{missing}, and JWMIRROR_REQUIRE_ALL is set")
    if missing:
        pytest.skip(missing)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, once for all processes that share the tests of this session."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory) -> Path:
    """The folder in which jwmirror records what its user allows; not that of who runs the tests."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def port() -> int:
    """The port of all archives: astroquery is set to one address for each process.

    The next two are for the other servers of an observatory. All are below those that the system
    gives to whoever asks for any.
    """
    while True:
        first = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in range(first, first + 3):
                stack.enter_context(socket.create_server(("127.0.0.1", number)))
            return first


@pytest.fixture(scope="session")
def process() -> Iterator[ProcessPoolExecutor]:
    """A process for calls of astroquery, whose settings are global."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="session")
def built_observatory(tmp_path_factory) -> Path:
    """The root of an observatory with program 1345, built once; copy it before serving it."""

    def build(folder: Path) -> None:
        Observatory.build(folder / "built")

    return made_once(tmp_path_factory, "observatory", build) / "built"


@pytest.fixture(scope="session")
def built_modes(tmp_path_factory) -> Path:
    """The root of an observatory with every mode beside imaging, built once; copy it to serve."""

    def build(folder: Path) -> None:
        from jwmirror_simulator.modes.program import build

        build(folder / "built")

    return made_once(tmp_path_factory, "modes", build) / "built"


@pytest.fixture(scope="session")
def mirrored(tmp_path_factory, built_observatory) -> Path:
    """A site after its first run (act 1 of the demo), made once; copy it before going on."""

    def run(folder: Path) -> None:
        shutil.copytree(built_observatory, folder / "observatory")
        observatory = Observatory.open(folder / "observatory")
        with observatory.serve():
            play(Site(folder, observatory), ACTS[:1])

    return made_once(tmp_path_factory, "mirrored", run)


@pytest.fixture
def fresh_site(tmp_path, built_observatory):
    """A served observatory and a site that has mirrored nothing yet."""
    folder = tmp_path / "fresh"
    shutil.copytree(built_observatory, folder / "observatory")
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        site.configure()
        yield site


@pytest.fixture
def site(tmp_path, mirrored):
    """A served observatory and a site after its first run, for the test to change."""
    with copied_site(mirrored, tmp_path / "site") as site:
        yield site


@contextlib.contextmanager
def copied_site(made: Path, folder: Path) -> Iterator[Site]:
    """A copy of a site, with its observatory served."""
    shutil.copytree(made, folder, symlinks=True)
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        site.configure()
        yield site
