"""The ends of jobs on a real Slurm of two nodes: each is noticed, and only what was short grows."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator

import psutil
import pytest

from demo.site import Site
from jwmirror.core.model.jobs.attempts import Attempt
from tests.conftest import need
from tests.setup.mirrors import wrong_objects
from tests.torture.mill import LONG
from tests.workflow.cluster import Cluster, missing

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of Slurm; make torture runs it")

SMALL = [{"program": 1345, "observations": [2]}]  # three exposures
EXPOSURES = LARGE, CANCELLED, SLOW = [f"jw01345002001_02101_0000{n}_nrca1" for n in (1, 2, 3)]
HOOK = """
import os, signal, time

def take(model):
    with open({log!r}, "a+") as log:
        name = model.meta.filename.partition("_uncal")[0]
        log.write(name + " " + os.environ["SLURM_JOB_ID"] + "\\n")
        log.flush()
        log.seek(0)
        calls = log.read().count(name)
    if name in {killed!r} and calls <= 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if name in {waiting!r} and calls == 1:
        time.sleep({seconds})
"""
SMALL_NODES = [
    *("--default-resources", "slurm_account=lab"),
    *("--slurm-init-seconds-before-status-checks", "5"),
    *("--latency-wait", "20"),
]
PATIENCE_S = 1500


class SlurmSite:
    """A site whose recipe writes down each exposure that it computes, with the id of its job."""

    def __init__(self, site: Site, cluster: Cluster):
        self.site, self.cluster = site, cluster
        self.calls, self.log = site.folder / "calls", site.folder / "snakemake.log"
        hooks = {"detector1": {"jump": {"pre_hooks": ["end_hook.take"]}}}
        site.configure(
            programs=SMALL,
            settle={"accept": [1345]},
            recipes={"deep": {"stages": [1, 2], "parameters": hooks}},
            calibrate={"batch": 1},
        )

    def hook(self, killed: list[str] = (), waiting: list[str] = (), seconds: int = 900) -> None:
        """Say which exposures are killed twice, and which wait at their first call."""
        values = {"killed": killed, "waiting": waiting, "seconds": seconds}
        text = HOOK.format(log=str(self.calls), **values)
        (self.site.folder / "end_hook.py").write_text(text)

    def start(self, *words: str) -> subprocess.Popen:
        """Start a run on the cluster."""
        variables = {"PYTHONPATH": f"{self.site.folder}:{os.environ.get('PYTHONPATH', '')}"}
        return self.site.start(
            *SMALL_NODES,
            *words,
            log=self.log,
            profile="profiles/slurm",
            environment=self.cluster.environment() | variables,
        )

    def jobs(self, exposure: str) -> list[str]:
        """The jobs that have computed an exposure, by call."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [job for name, job in map(str.split, lines) if name == exposure]

    def wait_for(self, run: subprocess.Popen, ready: Callable[[], object]) -> None:
        """Return as soon as `ready()`; fail if the run ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            assert run.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.5)

    def finish(self, run: subprocess.Popen) -> None:
        """Wait for the end of a run; fail if it has failed."""
        assert run.wait(PATIENCE_S) == 0, self.said()

    def said(self) -> str:
        """What the run said last."""
        return self.log.read_text()[-6000:]

    def attempts(self) -> list[tuple[Attempt, ...]]:
        """The attempts of the newest run, by job."""
        return [receipt.attempts for receipt in self.site.run().batch_receipts]

    def ends(self) -> Counter[tuple[str, ...]]:
        """The causes of their ends."""
        return Counter(tuple(each.end for each in attempts) for attempts in self.attempts())


@pytest.fixture
def slurm_site(fresh_site) -> Iterator[SlurmSite]:
    """A site beside a Slurm of two nodes."""
    need(missing())
    with Cluster() as cluster:
        yield SlurmSite(fresh_site, cluster)


def slurm(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_only_what_a_job_was_short_of_grows(slurm_site):
    """Killed for memory, cancelled, over time: each exposure is made, its neighbours once."""
    slurm_site.hook(killed=[LARGE], waiting=[CANCELLED, SLOW])

    run = slurm_site.start("--set-threads", "calibrate_batch=1")
    slurm_site.wait_for(run, lambda: slurm_site.jobs(CANCELLED) and slurm_site.jobs(SLOW))
    slurm("scancel", slurm_site.jobs(CANCELLED)[0])
    slurm("scontrol", "update", f"jobid={slurm_site.jobs(SLOW)[0]}", "timelimit=1")
    slurm_site.finish(run)

    assert slurm_site.ends() == {
        ("memory", "done"): 1,
        ("cancelled", "done"): 1,
        ("time", "done"): 1,
    }
    growth = {attempts[0].end: growth_of(*attempts) for attempts in slurm_site.attempts()}
    assert growth == {"memory": (2, 1), "cancelled": (1, 1), "time": (1, 2)}
    assert [len(slurm_site.jobs(exposure)) for exposure in EXPOSURES] == [3, 2, 2]
    first, alone, second = (slurm_site.cluster.requests()[job] for job in slurm_site.jobs(LARGE))
    assert (alone, second) == (first, 2 * first)


def growth_of(first: Attempt, second: Attempt) -> tuple[float, float]:
    """How much more memory and time the second attempt was given than the first."""
    return second.memory / first.memory, second.minutes / first.minutes


def test_a_node_that_fails_costs_one_exposure_some_time(slurm_site):
    """Slurm requeues its job, which is the same for Snakemake; the other node goes on."""
    slurm_site.hook(waiting=[SLOW])

    run = slurm_site.start("--set-threads", "calibrate_batch=2")
    slurm_site.wait_for(run, lambda: slurm_site.jobs(SLOW))
    (job,) = slurm_site.jobs(SLOW)
    node = slurm("squeue", "-h", "-j", job, "-o", "%N").strip()
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    slurm_site.wait_for(run, lambda: slurm("squeue", "-h", "-j", job, "-o", "%T") == "PENDING\n")
    slurm("scontrol", "update", f"nodename={node}", "state=idle")
    slurm_site.finish(run)

    assert slurm_site.jobs(SLOW) == [job, job]
    assert slurm_site.ends() == {("done",): 3}
    assert len(slurm_site.cluster.sacct()) == 3  # no further job was submitted
    assert slurm("squeue", "-h", "-t", "PENDING,RUNNING") == ""


def test_a_preempted_job_is_requeued(slurm_site):
    """By the run, where Slurm only cancels it; it is the same for Snakemake."""
    slurm_site.hook(waiting=[SLOW])
    urgent = ("-p", "urgent", "-A", "lab", "-t", "1", "--exclusive", "-o", "/dev/null")

    run = slurm_site.start("--set-threads", "calibrate_batch=2")
    slurm_site.wait_for(run, lambda: slurm_site.jobs(SLOW))
    (job,) = slurm_site.jobs(SLOW)
    node = slurm("squeue", "-h", "-j", job, "-o", "%N").strip()
    slurm("sbatch", *urgent, "-w", node, "--wrap", "sleep 1")
    slurm_site.finish(run)

    assert f"Slurm has preempted job {job}; it is requeued." in slurm_site.log.read_text()
    assert slurm_site.jobs(SLOW) == [job, job]
    assert slurm_site.ends() == {("done",): 3}


def test_a_run_after_a_kill_computes_nothing_twice(slurm_site):
    """Two jobs are at work and are awaited, the third one waits in Slurm and is cancelled."""
    slurm_site.hook(waiting=EXPOSURES, seconds=60)

    killed = slurm_site.start("--set-threads", "calibrate_batch=2")
    slurm_site.wait_for(killed, lambda: sum(map(len, map(slurm_site.jobs, EXPOSURES))) == 2)
    for process in psutil.Process(killed.pid).children(recursive=True):
        process.kill()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    slurm_site.finish(slurm_site.start("--set-threads", "calibrate_batch=2"))

    states = Counter(state.partition(" ")[0] for _, state, _ in slurm_site.cluster.sacct())
    assert "Cancelled 1 job of run" in slurm_site.log.read_text()
    assert "Waiting for 2 jobs of run" in slurm_site.log.read_text()
    assert [len(slurm_site.jobs(exposure)) for exposure in EXPOSURES] == [1, 1, 1]
    assert states == {"COMPLETED": 3, "CANCELLED": 1}
    assert wrong_objects(slurm_site.site.mirror) == []
    assert list((slurm_site.site.mirror / "work").iterdir()) == []


def test_a_job_that_cannot_start_is_reported_with_the_reason(slurm_site):
    """Within a minute. When the run is stopped, the job goes."""
    slurm_site.hook()

    long = ("--set-resources", "calibrate_batch:runtime=120")  # of at most 60 minutes
    run = slurm_site.start("--set-threads", "calibrate_batch=2", *long)
    slurm_site.wait_for(run, lambda: "has been submitted" in slurm_site.log.read_text())
    submitted = time.monotonic()
    slurm_site.wait_for(run, lambda: ": PartitionTimeLimit." in slurm_site.log.read_text())
    seconds = time.monotonic() - submitted
    run.send_signal(signal.SIGINT)
    run.wait(PATIENCE_S)

    assert seconds <= 60
    assert "Slurm does not start" in slurm_site.log.read_text()
    assert slurm("squeue", "-h", "-t", "PENDING,RUNNING") == ""
