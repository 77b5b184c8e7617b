"""A run that is killed leaves nothing wrong behind, and one more run brings it to its end."""

import os
import signal
import time
from contextlib import suppress

import psutil
import pytest
import yaml

from demo.site import ROOT, Site
from jwmirror_simulator.mast import faults
from tests.setup.mirrors import wrong_objects

PATIENCE_S = 240
SMALL = [  # of what the shared site has
    selection | {"observations": [2]}
    for selection in yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())["programs"]
]
UNCAL = "jw01345002001_02101_00002_nrca1_uncal.fits"


def kill_when(site: Site, ready) -> None:
    """Start snakemake, and kill -9 it and all its children as soon as `ready()`."""
    process = site.start(log=site.folder / "killed.log")
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert process.poll() is None, (site.folder / "killed.log").read_text()
        assert time.monotonic() < deadline, "the moment to kill it never came"
        time.sleep(0.005)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):  # a stage's process that has just ended by itself
            member.kill()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family)


def leftovers(site: Site) -> list[str]:
    """What is left of downloads that did not end."""
    return [path.name for path in (site.mirror / "objects" / "incoming").glob("*/*")]


def identities(site: Site) -> dict[str, str]:
    """Content of observation 2 now: the science identity, or the bytes where there is none."""
    entries = site.entries()
    return {path: row.identity or row.sha256 for path, row in entries.items() if "/o002/" in path}


def size_of(path) -> int:
    """Bytes of a file; none if it has just been moved away."""
    return path.stat().st_size if path.exists() else 0


def in_fetch(site: Site):
    """The moment when some downloads have arrived and another one, which is slow, is under way."""
    incoming = site.mirror / "objects" / "incoming"
    site.observatory.archive.fault(UNCAL, faults.slow(rate=5000))
    return lambda: (
        any(size_of(path) for path in incoming.glob("*/*.part"))
        and len(list(incoming.glob("*/*"))) > 2
    )


def in_calibration(site: Site):
    """The moment when some results are kept and others being computed."""
    return lambda: len(list((site.mirror / "provenance").glob("[0-9a-f]*.json"))) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("moment", [in_fetch, in_calibration])
def test_killed_run_is_made_good_by_the_next(fresh_site, mirrored, moment):
    """kill -9 in a fetch or a calibration: one re-run gives what an undisturbed run gives."""
    undisturbed = identities(Site(mirrored, fresh_site.observatory))

    fresh_site.configure(programs=SMALL)
    kill_when(fresh_site, moment(fresh_site))
    fresh_site.observatory.archive.clear_faults()
    wrong_after_kill = wrong_objects(fresh_site.mirror)
    unpublished = not (fresh_site.mirror / "current").exists()
    fresh_site.snakemake()

    assert unpublished
    assert wrong_after_kill == [] and wrong_objects(fresh_site.mirror) == []
    assert leftovers(fresh_site) == []
    assert identities(fresh_site) == undisturbed
