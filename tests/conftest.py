"""What all tests share: parts a test needs that a machine may lack, and the built observatory."""

import os
import shutil
from pathlib import Path

import pytest

from tests.observatory.observatory import Observatory
from tests.observatory.site import Site

for name in ("NO_PROXY", "no_proxy"):  # the simulated servers are here, whatever proxies there are
    os.environ[name] = "127.0.0.1,localhost"


def need(missing: str) -> None:
    """Skip the test for this reason; where all parts must be there (CI), fail instead."""
    if missing and os.environ.get("JWMIRROR_REQUIRE_ALL"):
        pytest.fail(f"{missing}, and JWMIRROR_REQUIRE_ALL is set")
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def built_observatory(tmp_path_factory) -> Path:
    """The root of an observatory with program 1345, built once; copy it before serving it."""
    root = tmp_path_factory.mktemp("observatory")
    Observatory.build(root / "built")
    return root / "built"


@pytest.fixture(scope="session")
def mirrored(tmp_path_factory, built_observatory) -> Path:
    """A site after its first run (act 1 of the demo), made once; copy it before going on."""
    folder = tmp_path_factory.mktemp("mirrored")
    shutil.copytree(built_observatory, folder / "observatory")
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        site.configure()
        site.snakemake()
    return folder


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
    folder = tmp_path / "site"
    shutil.copytree(mirrored, folder, symlinks=True)
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        site.configure()
        yield site
