"""Two runs on one mirror: the second is told whose it is, or waits."""

import subprocess
import time

import pytest

from jwmirror.store.leases import RUN, holder, lease

PATIENCE_S = 240


def until(ready, process: subprocess.Popen) -> None:
    """Wait for a condition while a process goes on."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_second_run_is_told_and_one_that_waits_goes_on(site):
    """While another has the mirror a run ends at once, or waits for it; a dry run does neither."""
    waiting = site.folder / "waiting.log"
    with lease(site.mirror, "run of another", name=RUN):
        told = site.snakemake(expect=1)
        site.snakemake("--dry-run")
        process = site.start("--config", "wait=true", log=waiting)
        until(lambda: "Waiting" in waiting.read_text(), process)
        runs = len(list((site.mirror / "receipts" / "runs").iterdir()))

    assert process.wait(PATIENCE_S) == 0, waiting.read_text()
    assert "run of another (process" in told and "wait=true" in told
    assert runs == 1  # neither did anything
    assert holder(site.mirror, RUN) is None
    assert len(list((site.mirror / "receipts" / "runs").iterdir())) == 2


@pytest.mark.slow
def test_a_run_has_the_mirror_until_it_ends(site):
    """A run that is at work is the holder, by name; its killed remains are taken over."""
    log = site.folder / "first.log"
    first = site.start(log=log)
    until(lambda: holder(site.mirror, RUN), first)
    told = site.snakemake("--nolock", expect=1)
    purpose = holder(site.mirror, RUN).purpose

    first.kill()
    first.wait()
    site.snakemake("--nolock")

    assert purpose.startswith("run 20") and purpose in told
    assert holder(site.mirror, RUN) is None
