"""Where torture takes place: in memory, where that can be had, so that fsync costs nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.site import Site
from tests.conftest import need
from tests.setup.small_disks import small_disk  # noqa: F401
from tests.torture.commands import COMMANDS, Undisturbed, earlier
from tests.torture.commands import undisturbed as done_once
from tests.torture.mill import SEED, SHARM
from tests.torture.slurm_site import SlurmSite, recalibrated
from tests.workflow.cluster import Cluster, can_limit_memory, missing


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


@pytest.fixture
def slurm_site(fresh_site) -> Iterator[SlurmSite]:
    """A site beside a Slurm of two nodes, which limits the memory of its jobs if it can here."""
    need(missing())
    with Cluster(limits_memory=can_limit_memory()) as cluster:
        site = SlurmSite(fresh_site, cluster)
        site.observe()
        yield site


@pytest.fixture
def local_science(mirrored, fresh_site) -> dict[str, str]:
    """The science of each result of a run on one machine, by path."""
    return recalibrated(Site(mirrored, fresh_site.observatory))
