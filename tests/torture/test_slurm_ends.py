"""The ends of jobs on a real Slurm of two nodes: each is noticed, and only what was short grows."""

import subprocess
import time
from collections import Counter

import pytest

from jwmirror.core.model.plan import Attempt
from tests.conftest import need
from tests.torture.mill import LONG
from tests.workflow.cluster import Cluster, missing

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of Slurm; make torture runs it")

SMALL = [{"program": 1345, "observations": [2]}]  # three exposures
LARGE, CANCELLED, SLOW = (f"jw01345002001_02101_0000{n}_nrca1" for n in (1, 2, 3))
HOOK = """
import os, signal, time

def take(model):
    with open({log!r}, "a+") as log:
        name = model.meta.filename.partition("_uncal")[0]
        log.write(name + " " + os.environ["SLURM_JOB_ID"] + "\\n")
        log.flush()
        log.seek(0)
        calls = log.read().count(name)
    if name == {large!r} and calls <= 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if name in {waiting!r} and calls == 1:
        time.sleep(900)
"""
SMALL_NODES = [
    *("--set-threads", "calibrate_batch=1"),
    *("--default-resources", "slurm_account=lab"),
    *("--slurm-init-seconds-before-status-checks", "5"),
    *("--latency-wait", "20"),
]
PATIENCE_S = 900


class Calls:
    """The calls of the hook, which writes down the exposure and the id of the Slurm job."""

    def __init__(self, folder):
        self.log = folder / "calls"
        self.environment = {"PYTHONPATH": str(folder)}
        text = HOOK.format(log=str(self.log), large=LARGE, waiting=(CANCELLED, SLOW))
        (folder / "end_hook.py").write_text(text)

    def jobs(self, exposure: str) -> list[str]:
        """The jobs that have computed an exposure, by call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [job for name, job in map(str.split, lines) if name == exposure]

    def wait_for(self, exposure: str, run: subprocess.Popen) -> str:
        """Return the first job of an exposure, as soon as it computes it."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.jobs(exposure):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.5)
        return self.jobs(exposure)[0]


def test_only_what_a_job_was_short_of_grows(fresh_site, tmp_path):
    """Killed for memory, cancelled, over time: each exposure is made, its neighbours once."""
    need(missing())
    calls = Calls(tmp_path)
    recipe = {
        "stages": [1, 2],
        "parameters": {"detector1": {"jump": {"pre_hooks": ["end_hook.take"]}}},
    }
    fresh_site.configure(
        programs=SMALL,
        settle={"accept": [1345]},
        recipes={"deep": recipe},
        calibrate={"batch": 1},
        partitions={"main": {"max_runtime": 4}},
    )
    log = fresh_site.folder / "snakemake.log"

    with Cluster() as cluster:
        environment = cluster.environment() | calls.environment
        run = fresh_site.start(
            *SMALL_NODES, log=log, profile="profiles/slurm", environment=environment
        )
        cancelled = calls.wait_for(CANCELLED, run)
        subprocess.run(["scancel", cancelled], check=True)
        code = run.wait(PATIENCE_S)
        requested = cluster.requests()

    assert code == 0, log.read_text()[-6000:]
    attempts = {
        receipt.results[0].product: receipt.attempts
        for receipt in fresh_site.run().batch_receipts
        if receipt.results
    }
    assert Counter(map(ends_of, attempts.values())) == {
        ("memory", "done"): 1,
        ("cancelled", "done"): 1,
        ("time", "done"): 1,
    }
    assert len(calls.jobs(LARGE)) == 3 and len(calls.jobs(CANCELLED)) == 2
    first, _, second = (requested[job] for job in calls.jobs(LARGE))
    assert second.memory == 2 * first.memory and second.minutes == first.minutes
    first, second = (requested[job] for job in calls.jobs(CANCELLED))
    assert first == second
    first, second = (requested[job] for job in calls.jobs(SLOW))
    assert second.memory == first.memory and second.minutes == 2 * first.minutes


def ends_of(attempts: tuple[Attempt, ...]) -> tuple[str, ...]:
    """The causes of the ends of attempts."""
    return tuple(attempt.end for attempt in attempts)
