"""The ends of jobs on a real Slurm of two nodes: each is noticed, and only what was short grows."""

import signal
import time
from collections import Counter

import pytest

from jwmirror.core.model.jobs.attempts import Attempt
from tests.reliability.cluster import compare
from tests.torture.mill import LONG
from tests.torture.slurm_site import (
    CANCELLED,
    EXPOSURES,
    LARGE,
    ONE_CPU,
    PATIENCE_S,
    RECIPE,
    SLOW,
    slurm,
)
from tests.workflow.cluster import TWO_CPUS
from tests.workflow.test_kill import SMALL as SELECTED

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of Slurm; make torture runs it")


def test_a_stage_that_exceeds_its_memory_gets_more_and_its_neighbours_run_once(
    slurm_site, local_science
):
    """Its job has three exposures; a second one, with twice the memory, computes only this one."""
    slurm_site.observe(calibrate={"batch": 3})
    slurm_site.hook(killed={LARGE: 2})

    slurm_site.finish(slurm_site.start(*TWO_CPUS))

    first, alone, second = slurm_site.jobs(LARGE)
    requests = slurm_site.cluster.requests()
    assert first == alone and requests[second] == 2 * requests[first]
    assert slurm_site.jobs(CANCELLED) == slurm_site.jobs(SLOW) == [first]
    compare("memory", slurm_site.outcome(local_science))


def test_a_stage_that_exceeds_its_memory_only_beside_others_gets_no_more(slurm_site, local_science):
    """Slurm counts its job as failed, although all was made; a second one finds it in the store."""
    if not slurm_site.cluster.limits_memory:
        pytest.skip("the kernel cannot limit the memory of jobs here")
    slurm_site.observe(calibrate={"batch": 3})
    slurm_site.hook(killed={LARGE: 1})

    slurm_site.finish(slurm_site.start(*TWO_CPUS))

    first, again = slurm_site.jobs(LARGE)
    assert first == again
    assert slurm_site.jobs(CANCELLED) == slurm_site.jobs(SLOW) == [first]
    assert len({*slurm_site.cluster.requests().values()}) == 1
    compare("memory beside others", slurm_site.outcome(local_science))


def test_only_what_a_job_was_short_of_grows(slurm_site, local_science):
    """Killed for memory, cancelled, over time: each exposure is made, its neighbours once."""
    slurm_site.hook(killed={LARGE: 2}, waiting=[CANCELLED, SLOW])

    run = slurm_site.start(*ONE_CPU)
    slurm_site.wait_for(run, lambda: slurm_site.jobs(CANCELLED) and slurm_site.jobs(SLOW))
    slurm("scancel", slurm_site.jobs(CANCELLED)[0])
    slurm("scontrol", "update", f"jobid={slurm_site.jobs(SLOW)[0]}", "timelimit=1")
    slurm_site.finish(run)

    growth = {attempts[0].end: growth_of(*attempts) for attempts in slurm_site.attempts()}
    assert growth == {"memory": (2, 1), "cancelled": (1, 1), "time": (1, 2)}
    assert [len(slurm_site.jobs(exposure)) for exposure in EXPOSURES] == [3, 2, 2]
    first, alone, second = (slurm_site.cluster.requests()[job] for job in slurm_site.jobs(LARGE))
    assert (alone, second) == (first, 2 * first)
    compare("three ends", slurm_site.outcome(local_science))


def growth_of(first: Attempt, second: Attempt) -> tuple[float, float]:
    """How much more memory and time the second attempt was given than the first."""
    return second.memory / first.memory, second.minutes / first.minutes


def test_cancelled_jobs_are_restarted(slurm_site, local_science):
    """Two exposures, of three and their mosaic: the others are not computed again."""
    recipe = RECIPE | {"stages": [1, 2, 3]}
    slurm_site.observe(programs=SELECTED, recipes={"deep": recipe})
    slurm_site.hook(waiting=[CANCELLED, SLOW])

    run = slurm_site.start(*ONE_CPU)
    slurm_site.wait_for(run, lambda: slurm_site.jobs(CANCELLED) and slurm_site.jobs(SLOW))
    slurm("scancel", *slurm_site.jobs(CANCELLED), *slurm_site.jobs(SLOW))
    slurm_site.finish(run)

    assert [len(slurm_site.jobs(exposure)) for exposure in EXPOSURES] == [1, 2, 2]
    compare("cancelled", slurm_site.outcome(local_science))


def test_a_node_that_fails_costs_one_exposure_some_time(slurm_site, local_science):
    """Slurm requeues its job, which is the same for Snakemake; the other node goes on."""
    slurm_site.hook(waiting=[SLOW])

    run = slurm_site.start(*TWO_CPUS)
    slurm_site.wait_for(run, lambda: slurm_site.jobs(SLOW))
    (job,) = slurm_site.jobs(SLOW)
    node = slurm("squeue", "-h", "-j", job, "-o", "%N").strip()
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    slurm_site.wait_for(run, lambda: slurm("squeue", "-h", "-j", job, "-o", "%T") == "PENDING\n")
    slurm("scontrol", "update", f"nodename={node}", "state=idle")
    slurm_site.finish(run)

    assert slurm_site.jobs(SLOW) == [job, job]
    assert slurm_site.ends() == {("done",): 3}
    compare("node", slurm_site.outcome(local_science))


def test_a_preempted_job_is_requeued(slurm_site, local_science):
    """By the run, where Slurm only cancels it; it is the same for Snakemake."""
    slurm_site.hook(waiting=[SLOW])
    urgent = ("-p", "urgent", "-A", "lab", "-t", "1", "--exclusive", "-o", "/dev/null")

    run = slurm_site.start(*TWO_CPUS)
    slurm_site.wait_for(run, lambda: slurm_site.jobs(SLOW))
    (job,) = slurm_site.jobs(SLOW)
    node = slurm("squeue", "-h", "-j", job, "-o", "%N").strip()
    slurm("sbatch", *urgent, "-w", node, "--wrap", "sleep 1")
    slurm_site.finish(run)

    message = f"Slurm has preempted job {job}; it is requeued."
    assert message in slurm_site.said()
    assert slurm_site.jobs(SLOW) == [job, job]
    message = message.replace(job, "N")
    assert slurm_site.ends() == {("done",): 3}
    compare("preempted", slurm_site.outcome(local_science, message))


def test_a_run_after_a_kill_computes_nothing_twice(slurm_site, local_science):
    """Two jobs are at work and are awaited, the third one waits in Slurm and is cancelled."""
    slurm_site.hook(waiting=EXPOSURES)

    slurm_site.kill_at_work(*TWO_CPUS)
    second = slurm_site.start(*TWO_CPUS)
    slurm_site.wait_for(second, lambda: "Waiting for 2 jobs of run" in slurm_site.said())
    slurm_site.gate.touch()
    slurm_site.finish(second)

    states = Counter(state.partition(" ")[0] for _, state, _ in slurm_site.cluster.sacct())
    assert "Cancelled 1 job of run" in slurm_site.said()
    assert [len(slurm_site.jobs(exposure)) for exposure in EXPOSURES] == [1, 1, 1]
    assert states == {"COMPLETED": 3, "CANCELLED": 1}
    assert list((slurm_site.mirror / "work").iterdir()) == []
    compare("killed run", slurm_site.outcome(local_science))


def test_a_job_that_cannot_start_is_reported_with_the_reason(slurm_site, local_science):
    """Within a minute. When the run is stopped, the job goes."""
    long = ("--set-resources", "calibrate_batch:runtime=120")  # of at most 60 minutes

    run = slurm_site.start(*TWO_CPUS, *long)
    slurm_site.wait_for(run, lambda: "has been submitted" in slurm_site.said())
    submitted = time.monotonic()
    slurm_site.wait_for(run, lambda: ": PartitionTimeLimit." in slurm_site.said())
    seconds = time.monotonic() - submitted
    run.send_signal(signal.SIGINT)
    run.wait(PATIENCE_S)

    assert seconds <= 60
    assert "Slurm does not start" in slurm_site.said()
    compare(
        "no start", slurm_site.outcome(local_science, "Slurm does not start N: PartitionTimeLimit.")
    )
