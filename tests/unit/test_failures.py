"""`jwmirror failures`: what failed, why, the end of its log, where it ran, and how to go on."""

import os
from pathlib import Path

import pytest

from jwmirror.core.model import Failure, Receipt
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.plan import Published
from jwmirror.core.model.run import Executor, Stop
from jwmirror.services.inspect import failures
from jwmirror.services.inspect.failures import RETRY
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from tests.setup.command_line import answer, run
from tests.setup.mirrors import RUN, SmallMirror


def job_folder(mirror: SmallMirror, job: str) -> Path:
    """Make the folder of a job's logs."""
    folder = mirror.root / "logs" / RUN / "calibrate_batch" / job
    folder.mkdir(parents=True)
    return folder


def listed(mirror: SmallMirror) -> dict[str, dict]:
    """Return the listed failures by name."""
    found = answer("failures", "--mirror", mirror.root)["failures"]
    return {failure["name"]: failure for failure in found}


@pytest.mark.parametrize("cause", ["failed", "killed", "late", "disk"])
def test_a_failed_exposure_is_listed_with_the_end_of_its_log(small_mirror, cause):
    """And with what to do about this cause; the log of another exposure is not quoted."""
    folder = job_folder(small_mirror, "exposures-b1")
    (folder / "x.log").write_text("".join(f"line {n}\n\n" for n in range(9999)))
    (folder / "y.log").write_text("of another exposure\n")
    failed = Failure("deep/x", "detector1: why", "deep", "x", cause=cause, log="x.log")
    small_mirror.record("exposures/b1.json", Receipt(failures=(failed,)))

    failure = listed(small_mirror)["deep/x"]

    step = RETRY[cause].format(run="`jwmirror run`")
    assert (failure["why"], failure["cause"]) == ("detector1: why", cause)
    assert (failure["job"], failure["retry"]) == ("exposures-b1", step)
    assert failure["log"] == str(folder / "x.log")
    assert failure["last_lines"] == [f"line {n}" for n in range(9979, 9999)]


def test_a_job_without_a_receipt_is_listed_unless_it_is_at_work(small_mirror):
    """It was started, since it has a folder; one that was not started is no failure."""
    folder = job_folder(small_mirror, "exposures-b1")
    (folder / "job.log").write_text("ERROR full disk\n")
    for receipt in ("exposures/b1.json", "associations-3/b2.json"):
        (small_mirror.run_folder / receipt).unlink()

    failures = listed(small_mirror)
    with mirror_lock(small_mirror.root, f"run {RUN}", name=RUN_LOCK):
        at_work = answer("failures", "--mirror", small_mirror.root)

    assert failures.keys() == {"job exposures-b1"}
    assert failures["job exposures-b1"]["last_lines"] == ["ERROR full disk"]
    assert at_work["failures"] == [] and RUN in at_work["at_work"]


@pytest.mark.parametrize(
    ("end", "why", "retry"),
    [
        ("memory", "lack of memory", "larger partition"),
        ("", "without a receipt", "run `jwmirror run`"),
    ],
)
def test_a_killed_job_is_listed_with_node_and_id_of_its_last_attempt(small_mirror, end, why, retry):
    """Also if it did not come to write a log."""
    (small_mirror.run_folder / "exposures/b1.json").unlink()
    for number, host in ((1, "n1"), (2, "n2")):
        attempt = Attempt(number=number, host=host, other_id=f"7{number}.pbs", end=end)
        small_mirror.record(f"attempts/exposures-b1-{number}.json", attempt)

    failure = listed(small_mirror)["job exposures-b1"]
    page = run("failures", "--mirror", small_mirror.root)

    assert (failure["host"], failure["scheduler_id"]) == ("n2", "72.pbs")
    assert why in failure["why"] and failure["why"].endswith("(attempt 2)")
    assert retry in failure["retry"]
    assert "job: exposures-b1, scheduler's id 72.pbs, on n2" in page


@pytest.mark.parametrize("has_begun", [True, False])
def test_what_slurm_wrote_on_a_job_is_shown(small_mirror, tmp_path, monkeypatch, has_begun):
    """Of its last attempt. A job whose Python does not start has no other log."""
    (small_mirror.run_folder / "exposures/b1.json").unlink()
    small_mirror.record("executor.json", Executor(job_name="run", logs=str(tmp_path / "slurm")))
    folder = tmp_path / "slurm" / "rule_calibrate_batch" / "exposures_b1"
    folder.mkdir(parents=True)
    for number, time in ((16, 9e9), (17, 8e9), (15, 1e9)):  # the last of an earlier run
        (folder / f"{number}.log").write_text(f"slurmstepd: error: killed {number}\n")
        os.utime(folder / f"{number}.log", (time, time))
    monkeypatch.setattr(failures, "end_cause", lambda *_: "memory")
    if has_begun:
        small_mirror.record("attempts/exposures-b1-1.json", Attempt(number=1, slurm_id="17"))

    failure = listed(small_mirror)["job exposures-b1"]

    expected = 17 if has_begun else 16
    assert failure["scheduler_log"] == str(folder / f"{expected}.log")
    assert failure["last_lines"] == [f"slurmstepd: error: killed {expected}"]
    assert ("before it began" in failure["why"]) == (not has_begun)
    (folder / "16.log").unlink()
    assert "job exposures-b1" in listed(small_mirror)


def test_a_job_that_slurm_still_has_is_not_called_ended(small_mirror, monkeypatch):
    """Its run was killed; the next one waits for the job."""
    (small_mirror.run_folder / "exposures/b1.json").unlink()
    small_mirror.record("attempts/exposures-b1-1.json", Attempt(number=1, slurm_id="17"))
    monkeypatch.setattr(failures, "end_cause", lambda *_: "")
    monkeypatch.setattr(failures, "is_at_work", lambda *_: True)

    assert "Slurm still has it" in listed(small_mirror)["job exposures-b1"]["why"]


def test_a_rule_that_ended_the_run_is_listed_with_its_log(small_mirror):
    """A plan, for instance, that a full disk refused."""
    stop = Stop(run=RUN, at="2026-03-01T12:00:00+00:00", rule="plan_recalibration", why="full disk")
    small_mirror.record("stopped.json", stop)
    folder = small_mirror.root / "logs" / RUN / "plan_recalibration"
    folder.mkdir(parents=True)
    (folder / "exposures.log").write_text("what the plan said\n")

    failure = listed(small_mirror)[f"plan_recalibration of run {RUN}"]

    assert (failure["why"], failure["last_lines"]) == ("full disk", ["what the plan said"])


def test_an_exposure_of_an_earlier_version_is_listed_without_a_log(small_mirror):
    """Its receipt has neither cause nor log."""
    failure = listed(small_mirror)["late_exposure"]

    assert failure["why"] == "jump: <no> groups left"
    assert (failure["cause"], failure["log"], failure["last_lines"]) == ("", "", [])


def test_the_page_has_a_paragraph_for_each_failure(small_mirror):
    """And a mirror without failures, or without runs, says so."""
    small_mirror.record("published.json", Published(generation=1, is_new=True))
    page = run("failures", "--mirror", small_mirror.root)
    small_mirror.record("exposures/b1.json", Receipt())
    after = run("failures", "--mirror", small_mirror.root)

    assert "late_exposure\n  why: jump: <no> groups left\n  retry: correct what" in page
    assert f"Run {RUN} of {small_mirror.root}: 1 failure." in " ".join(page.split())
    assert f"Run {RUN} of {small_mirror.root}: 0 failures." in " ".join(after.split())


def test_json_has_the_documented_keys(small_mirror):
    """Every key is in docs/commands.md."""
    found = answer("failures", "--mirror", small_mirror.root)
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()

    part = page.partition("**failures**")[2].partition("**status**")[0]

    assert all(f"`{key}`" in part for key in (*found, *found["failures"][0]))
