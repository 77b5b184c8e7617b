"""What a restart of a job requests, by why the attempts before it ended."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from jwmirror.core.model import Receipt, read, write
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.plan import JobRequest
from jwmirror.core.model.run import Executor, Heartbeat, StageBeat
from jwmirror.engine import allocation, memory_pool
from jwmirror.engine.allocation import begin_attempt
from jwmirror.engine.batch import ShortOfMemoryError
from jwmirror.services.run.calibrate import computed_by_all, without_fatal
from jwmirror.services.run.jobs import attempts
from jwmirror.services.run.jobs.attempts import (
    BatchJob,
    PresentAttempt,
    earlier_attempts,
    recorded_attempt,
)
from jwmirror.services.run.jobs.requests import request_after
from jwmirror.store.runs import RunFiles
from tests.setup import records

GB = 10**9
ESTIMATE = JobRequest(chains=1, threads=1, memory=2 * GB, seconds=300, minutes=15, disk=0)
FIRST = Attempt(number=1, memory=3 * GB, largest=10 * GB, minutes=20, longest=60)


@pytest.fixture
def files(tmp_path) -> RunFiles:
    """The records of a run."""
    return RunFiles(tmp_path / "receipts/runs/20260301T120000.000000Z-1")


def requested_after(*attempts: Attempt) -> tuple[float, int]:
    """The bytes and minutes that a job requests after these attempts; it was estimated at less."""
    request = request_after(ESTIMATE, attempts)
    return request.memory, request.minutes


@pytest.mark.parametrize(
    ("end", "memory", "minutes"),
    [
        ("memory", 6 * GB, 15),
        ("time", 2 * GB, 40),
        ("cancelled", 2 * GB, 15),
        ("node", 2 * GB, 15),
        ("failed", 2 * GB, 15),
        ("never started", 2 * GB, 15),
        ("", 2 * GB, 15),
    ],
)
def test_only_what_was_short_grows(end, memory, minutes):
    """To twice of what the job was given, which is not what it had requested."""
    assert requested_after(replace(FIRST, end=end)) == (memory, minutes)


def test_growth_ends_at_what_a_job_can_be_given():
    """At the largest node and the longest time. What is not known does not bound it."""
    second = replace(FIRST, number=2, end="memory", memory=8 * GB)
    third = replace(second, end="time", minutes=45)

    assert requested_after(FIRST, second) == (10 * GB, 15)
    assert requested_after(replace(second, largest=0)) == (16 * GB, 15)
    assert requested_after(third) == (2 * GB, 60)
    assert requested_after(replace(third, longest=0)) == (2 * GB, 90)


def can_grow(attempt: Attempt, *earlier: Attempt, retries: int = 3) -> bool:
    """Whether a restart could be given more memory."""
    present = PresentAttempt(attempt=attempt, earlier=earlier, retries=retries)
    return present.can_get_more_memory


def test_a_request_that_is_refused_goes_back_to_what_was_given():
    """So the job starts, and can say in its receipt what is too large."""
    killed, refused = replace(FIRST, end="memory"), Attempt(number=2, end="never started")

    assert requested_after(killed, refused) == (3 * GB, 15)
    assert not can_grow(replace(FIRST, number=3), killed, refused)


def test_a_job_gives_up_when_no_restart_can_have_more():
    """At the last attempt, on the largest node, or if a larger request changed nothing."""
    killed = replace(FIRST, end="memory")
    second = replace(FIRST, number=2, memory=6 * GB)

    assert can_grow(FIRST, retries=1)
    assert can_grow(second, killed, retries=2)
    assert not can_grow(second, killed, retries=1)
    assert not can_grow(replace(second, memory=10 * GB), killed)
    assert not can_grow(replace(second, memory=3 * GB), killed)


def test_what_was_too_large_alone_runs_alone():
    """After a kill of the whole job, exposures run side by side in a smaller part of the memory."""
    first = replace(FIRST, end="memory", memory=4_700_000_000)
    second = replace(FIRST, number=2, memory=8_700_000_000, cpus=4)
    whole = PresentAttempt(attempt=second, earlier=(first,), retries=3)
    alone = replace(whole, earlier=(replace(first, too_large=("a/b",)),))

    assert (whole.side_by_side, alone.side_by_side) == (4, 1)
    assert whole.memory_limit == 4 * GB


@pytest.mark.parametrize(
    ("number", "left", "seconds"), [(3, 1200, inf), (4, 1200, 1080), (4, 0, inf)]
)
def test_the_last_attempt_ends_its_stages_before_its_time_limit(number, left, seconds):
    """So it writes its receipt, and all else is published. Earlier ones are restarted with more."""
    attempt = replace(FIRST, number=number, seconds_left=left)

    assert PresentAttempt(attempt=attempt, earlier=(), retries=3).seconds_left == seconds


KILLED = replace(FIRST, at_work=("deep/detector1/a", "deep/detector1/b"))
AGAIN = replace(KILLED, number=2, at_work=("deep/detector1/b",))


@pytest.mark.parametrize(
    ("earlier", "retries", "fatal"),
    [
        ((KILLED, AGAIN), 2, {"deep/detector1/b"}),
        ((KILLED, replace(AGAIN, end="memory")), 2, {"deep/detector1/b"}),
        ((KILLED, AGAIN), 3, set()),  # there is another attempt
        ((KILLED,), 1, set()),  # one kill may have had any cause
        ((KILLED, replace(AGAIN, end="cancelled")), 2, set()),
        ((KILLED, replace(AGAIN, end="memory", too_large=("deep/b",))), 2, set()),
        ((replace(KILLED, at_work=("deep/detector1/c",)), AGAIN), 2, set()),
    ],
)
def test_the_last_attempt_leaves_out_what_ran_whenever_the_job_was_killed(earlier, retries, fatal):
    """Else that kills it, too, and nothing of the run is published."""
    attempt = replace(FIRST, number=len(earlier) + 1)

    present = PresentAttempt(attempt=attempt, earlier=earlier, retries=retries)

    assert present.fatal == fatal


@pytest.mark.parametrize(("number", "retries", "threads"), [(2, 3, 4), (2, 2, 1), (3, 2, 4)])
def test_the_attempt_before_the_last_shows_what_kills_a_job(number, retries, threads):
    """It runs one exposure at a time; else those beside the cause would be left out, too."""
    attempt = replace(FIRST, number=number, cpus=4)

    present = PresentAttempt(attempt=attempt, earlier=(KILLED,), retries=retries)

    assert present.side_by_side == threads


def test_a_chain_that_is_left_out_is_a_failure_with_a_next_step():
    """In any of its stages; the chains of other recipes on the same exposure are tried."""
    deep, quick = (
        records.chain(records.derivation(product="a"), recipe=name) for name in ("deep", "quick")
    )

    tried, (failure,) = without_fatal([deep, quick], {"deep/detector1/a"})

    assert tried == [quick]
    assert (failure.name, failure.cause) == ("deep/a", "killed")
    assert "all else is published; give jobs more memory" in failure.message


@pytest.mark.parametrize(("pid", "stages"), [(7, ("deep/detector1/a",)), (8, ())])
def test_the_stages_of_a_killed_attempt_are_recorded(files, pid, stages):
    """By its heartbeat, which the next attempt finds; not by one of another process."""
    write(files.attempt("exposures", "b1", 1), replace(FIRST, host="n1", pid=7))
    beat = StageBeat("deep", "a", "detector1", step="jump", since="2026")
    beats = Heartbeat(host="n1", pid=pid, at="2026", stages=(beat,))
    write(files.heartbeat("exposures", "b1"), beats)
    job = BatchJob(run=files.folder, level="exposures", batch="b1", attempt=2, cpus=1, memory=10**8)

    with recorded_attempt(job) as present:
        pass

    assert [former.at_work for former in present.earlier] == [stages]


def test_a_heartbeat_that_a_crash_has_emptied_stops_no_job(files):
    """It is not written durably."""
    write(files.attempt("exposures", "b1", 1), FIRST)
    files.heartbeats.mkdir(parents=True)
    files.heartbeat("exposures", "b1").touch()
    job = BatchJob(run=files.folder, level="exposures", batch="b1", attempt=2, cpus=1, memory=10**8)

    with recorded_attempt(job) as present:
        pass

    assert [former.at_work for former in present.earlier] == [()]


def test_a_job_records_what_it_was_given_and_how_it_ended(files):
    """At its start, for those who ask after a kill; and which exposures were too large."""
    job = BatchJob(run=files.folder, level="exposures", batch="b1", attempt=1, cpus=1, memory=10**8)
    path = files.attempt("exposures", "b1", 1)

    with recorded_attempt(job) as present:
        at_work = read(path, Attempt)
    done = read(path, Attempt)
    with pytest.raises(ShortOfMemoryError), recorded_attempt(job):
        raise ShortOfMemoryError(["deep/jw1"])
    killed = read(path, Attempt)

    assert at_work == present.attempt and at_work.end == ""
    assert done.end == "done"
    assert (killed.end, killed.too_large) == ("memory", ("deep/jw1",))


def test_a_job_logs_where_it_runs_and_what_it_uses(files, caplog, monkeypatch):
    """With the id of its scheduler; the numbers of its use are in its record, too."""
    monkeypatch.setenv("PBS_JOBID", "17.server")
    job = BatchJob(run=files.folder, level="exposures", batch="b1", attempt=1, cpus=1, memory=10**8)

    with caplog.at_level("INFO"), recorded_attempt(job):
        pass

    done = read(job.record, Attempt)
    given, used = (record.getMessage() for record in caplog.records)
    assert given == f"attempt 1 on {done.host}, job 17.server of the scheduler: 100 MB, 1 CPUs"
    assert used.startswith(f"used {done.seconds:.1f} s, {done.cpu_seconds:.1f} s of CPU")
    assert done.scheduler_id == "17.server" and done.peak_memory > 10**7


def test_slurm_is_asked_once_why_an_attempt_ended(files, monkeypatch):
    """The answer is written down: the job reads it, and requests the same as the main process."""
    asked = []
    monkeypatch.setattr(attempts, "end_cause", lambda *known: asked.append(known) or "memory")
    write(files.attempt("exposures", "b1", 1), replace(FIRST, slurm_id="17"))

    found = [earlier_attempts(files, "exposures", "b1", 3) for _ in range(2)]

    assert asked == [("17", 3 * GB)]
    assert found[0] == found[1]
    assert [attempt.end for attempt in found[0]] == ["memory", "never started"]
    assert read(files.attempt("exposures", "b1", 1), Attempt).end == "memory"


def test_without_a_scheduler_a_cause_stays_unknown(files):
    """A process that vanished on this machine is restarted with the same request."""
    write(files.attempt("exposures", "b1", 1), FIRST)

    (first,) = earlier_attempts(files, "exposures", "b1", 2)

    assert first == FIRST


def test_a_receipt_names_what_all_attempts_have_computed():
    """The last one finds in the store what those before it left, if they started."""
    results = tuple(records.result("detector1", "x", key=key) for key in ("k1", "k2"))
    receipt = Receipt(results=results, computed=("k2",))

    assert computed_by_all(receipt, [replace(FIRST, end="memory")]) == ("k1", "k2")
    assert computed_by_all(receipt, [replace(FIRST, end="never started")]) == ("k2",)
    assert computed_by_all(receipt, []) == ("k2",)


# ---- what a job was given ----------------------------------------------------------------------


def test_a_job_on_this_machine_has_what_it_requested():
    """In the allocation of an interactive Slurm job, too, which belongs to the user."""
    attempt = begin_attempt(2, memory=10**8, cpus=1, executor=Executor())

    assert (attempt.number, attempt.memory, attempt.cpus) == (2, 10**8, 1)
    assert attempt.slurm_id == "" and 10**8 < attempt.largest <= memory_pool.machine_memory()


def test_a_job_of_slurm_has_what_slurm_gave_it(monkeypatch):
    """Less or more than requested; a partition that is picked may be another one next time."""
    given = allocation.slurm.SlurmJob(
        state="RUNNING", memory=10**8, cpus=1, minutes=20, partition="main", seconds_run=30
    )
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(allocation.slurm, "show_job", {"17": given}.get)
    monkeypatch.setattr(allocation.slurm, "largest_node", {"main": 10**9, "": 2 * 10**9}.get)
    monkeypatch.setattr(allocation.slurm, "longest_time", {"main": 60, "": 600}.get)

    fixed = begin_attempt(1, 2 * 10**8, 2, Executor(job_name="run"))
    picked = begin_attempt(1, 2 * 10**8, 2, Executor(job_name="run", picks_partitions=True))

    assert (fixed.slurm_id, fixed.memory, fixed.cpus, fixed.minutes) == ("17", 10**8, 1, 20)
    assert fixed.seconds_left == 1170  # Snakemake has started before
    assert (fixed.largest, fixed.longest) == (10**9, 60)
    assert (picked.largest, picked.longest) == (2 * 10**9, 600)


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("0::/job/step", "job/memory.max"),
        ("4:memory:/job/step", "memory/job/memory.limit_in_bytes"),
        ("4:memory:/hidden/by/a/container", "memory/memory.limit_in_bytes"),
    ],
)
def test_the_limit_of_a_cgroup_counts(tmp_path, monkeypatch, line, file):
    """Of version 1 or 2, of this process's group or of one around it."""
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("50000000\n")
    own = tmp_path / "own"
    own.write_text(f"5:devices:/\n{line}\n")
    monkeypatch.setattr(allocation, "CGROUPS", tmp_path)
    monkeypatch.setattr(allocation, "OWN_CGROUPS", Path(own))

    attempt = begin_attempt(1, memory=10**8, cpus=1, executor=Executor())

    assert attempt.memory == attempt.largest == 50_000_000
