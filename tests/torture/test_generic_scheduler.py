"""The profile for PBS and others, with small stand-ins for PBS's commands."""

import subprocess
import time

import pytest

from jwmirror.services.inspect.running.observation import run_state
from tests.setup.configs import THREE_EXPOSURES
from tests.setup.pbs import install_pbs
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of jwst; make torture runs it")

PATIENCE_S = 900


def test_jobs_go_through_the_commands_of_a_scheduler(fresh_site):
    """One of them is deleted while it runs: it is restarted with the same request."""
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    scheduler = fresh_site.folder / "pbs"
    environment = install_pbs(scheduler)
    recipes = {"deep": {"stages": [1]}}
    fresh_site.configure(programs=THREE_EXPOSURES, settle={"accept": [1345]}, recipes=recipes)
    attempts = fresh_site.mirror / "receipts" / "runs"
    log = fresh_site.folder / "snakemake.log"
    options = ("--seconds-between-status-checks", "2", "--latency-wait", "20")

    run = fresh_site.start(
        *options, log=log, profile="profiles/cluster-generic", environment=environment
    )
    deadline = time.monotonic() + PATIENCE_S
    while not list(attempts.glob("*/attempts/*.json")):
        assert run.poll() is None and time.monotonic() < deadline, log.read_text()[-6000:]
        time.sleep(0.2)
    while not (state := run_state(fresh_site.mirror)).at_work:
        assert run.poll() is None and time.monotonic() < deadline, log.read_text()[-6000:]
        time.sleep(0.2)
    subprocess.run([scheduler / "bin" / "qdel", "1"], check=True)
    code = run.wait(PATIENCE_S)

    assert code == 0, log.read_text()[-6000:]
    (level,) = state.levels
    assert (level.exposures, level.jobs_at_work) == (3, 1)
    (receipt,) = fresh_site.run().batch_receipts
    assert [attempt.end for attempt in receipt.attempts] == ["", "done"]
    assert receipt.attempts[0].memory == receipt.attempts[1].memory
    assert len(receipt.results) == 3 and receipt.failures == ()
    first, second = ((scheduler / "jobs" / n / "options").read_text() for n in ("1", "2"))
    assert "-l walltime=" in first and ":mem=" in first
    assert first.rpartition(" ")[0] == second.rpartition(" ")[0]
