"""Answers of Slurm's commands, as version 22.05 gave them, and as later versions write them."""

import pytest

from jwmirror.core.model.jobs.times import slurm_seconds
from jwmirror.engine import slurm
from jwmirror.engine.slurm import SlurmJob, cause_of, parse_job

RUNNING = (
    "JobId=1 JobName=abc UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 Nice=0 "
    "Account=root QOS=normal JobState=RUNNING Reason=None Dependency=(null) Requeue=1 Restarts=0 "
    "BatchFlag=1 Reboot=0 ExitCode=0:0 RunTime=00:00:01 TimeLimit=00:20:00 TimeMin=N/A "
    "EndTime=2026-11-30T14:45:36 Deadline=N/A Partition=main NodeList=n1 NumNodes=1 NumCPUs=2 "
    "CPUs/Task=2 ReqB:S:C:T=0:0:*:* TRES=cpu=2,mem=500M,node=1,billing=2 MinCPUsNode=2 "
    "MinMemoryNode=500M WorkDir=/home/me Comment=c1  StdErr=/home/me/j1.out Power= "
)
TIMEOUT = "3|TIMEOUT|\n3.batch|CANCELLED|10932K\n3.0|CANCELLED|1588K\n"
OVER_MEMORY = "5|FAILED|\n5.batch|FAILED|10620K\n5.0|CANCELLED by 0|261596K\n"
CGROUP = "6|FAILED|\n6.batch|FAILED|10620K\n6.0|OUT_OF_MEMORY|190000K\n"
CRASH = "7|FAILED|\n7.batch|FAILED|10620K\n7.0|FAILED|1588K\n"


@pytest.mark.parametrize(
    "tres",
    ["TRES=cpu=2,mem=500M,node=1,billing=2", "ReqTRES=cpu=1,mem=1G AllocTRES=cpu=2,mem=500M"],
)
def test_a_job_is_read_from_its_line(tres):
    """What was allocated counts, not what was requested. Later versions name both."""
    line = RUNNING.replace("TRES=cpu=2,mem=500M,node=1,billing=2", tres)

    job = parse_job(line)

    assert job == SlurmJob(
        state="RUNNING", memory=500_000_000, cpus=2, minutes=20, partition="main", seconds_run=1
    )


def test_a_task_of_an_array_is_told_from_the_others(monkeypatch):
    """One task has the id of the array, for which Slurm shows all of them."""
    other = RUNNING.replace("JobId=1 ", "JobId=2 ArrayJobId=1 ").replace("RUNNING", "TIMEOUT")
    answers = {
        "scontrol": RUNNING + "\n" + other,
        "sacct": "2|TIMEOUT|\n1|FAILED|\n1.0|FAILED|9K\n",
    }
    answering(monkeypatch, answers)

    assert slurm.show_job("1").state == "RUNNING"
    assert slurm.show_job("2").state == "TIMEOUT"
    assert slurm.show_job("3") is None
    answering(monkeypatch, answers | {"scontrol": ""})
    assert slurm.end_cause("1", 10**9) == "failed"


@pytest.mark.parametrize(
    ("steps", "cause", "is_at_work"),
    [("1|OUT_OF_MEMORY|\n", "memory", False), ("1|RUNNING|\n", "", None), ("", "", None)],
)
def test_a_job_that_completes_has_the_end_that_the_accounts_know(
    monkeypatch, steps, cause, is_at_work
):
    """A node that does not answer may keep it so for days; then the lock of the job counts."""
    line = RUNNING.replace("RUNNING", "COMPLETING")
    answering(monkeypatch, {"scontrol": line, "sacct": steps})

    assert slurm.end_cause("1", 10**9) == cause
    assert slurm.is_at_work("1", 10**9) is is_at_work


def test_lines_on_clusters_are_no_jobs(monkeypatch):
    """With SLURM_CLUSTERS, squeue begins with the name of the cluster."""
    answering(monkeypatch, {"squeue": "CLUSTER: big\n"})

    assert list(slurm.waiting_jobs("run-1")) == []
    assert slurm.requeue_preempted_jobs("run-1") == []


def test_an_answer_that_is_no_text_is_read(tmp_path, monkeypatch):
    """A folder or comment in an answer may have bytes of another encoding."""
    command = tmp_path / "scontrol"
    command.write_bytes(b"#!/bin/sh\nprintf 'JobId=1 JobState=RUNNING WorkDir=/home/\\351\\n'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert slurm.show_job("1").state == "RUNNING"


@pytest.mark.parametrize("answer", ["", "slurm_load_jobs error: Invalid job id specified\n"])
def test_no_answer_is_no_job(answer):
    """The job is too old for the controller, or Slurm does not answer."""
    assert parse_job(answer) is None


@pytest.mark.parametrize(
    ("state", "steps", "cause"),
    [
        ("OUT_OF_MEMORY", "", "memory"),
        ("TIMEOUT", TIMEOUT, "time"),
        ("", TIMEOUT, "time"),  # the controller has forgotten the job
        ("CANCELLED", "", "cancelled"),
        ("", "4|CANCELLED by 1000|\n4.0|CANCELLED|1588K\n", "cancelled"),
        ("", "6|NODE_FAIL|\n", "node"),
        ("PREEMPTED", "", "node"),
        ("BOOT_FAIL", "", "node"),
        ("FAILED", OVER_MEMORY, "memory"),
        ("FAILED", CGROUP, "memory"),
        ("FAILED", CRASH, "failed"),
        ("RUNNING", "", ""),
        ("PENDING", "2|PENDING|\n", ""),
        ("", "", ""),
    ],
)
def test_the_cause_of_an_end_is_slurms(state, steps, cause):
    """By the state of the job; a FAILED job was killed for memory if one of its steps was."""
    assert cause_of(state, steps, memory=200_000_000) == cause


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("1:00:00", 60), ("2-12:30:00", 3630), ("30:00", 30), ("infinite", 0), ("UNLIMITED", 0)],
)
def test_time_limits_are_read_in_minutes(limit, minutes):
    """Of sinfo and scontrol. Without a limit it is 0."""
    assert slurm_seconds(limit) // 60 == minutes


def answering(monkeypatch, answers: dict[str, str]) -> list[tuple[str, ...]]:
    """Let Slurm's commands answer; return the commands that were called."""
    called: list[tuple[str, ...]] = []

    def answer(*command: str) -> str:
        called.append(command)
        return answers.get(command[0], "")

    monkeypatch.setattr(slurm, "_answer", answer)
    return called


def test_the_limits_of_a_partition_are_those_of_its_largest_node(monkeypatch):
    """A + marks groups of nodes of several sizes. One part without a limit has none."""
    answering(monkeypatch, {"sinfo": "8000\n16000+\n"})

    assert slurm.largest_node("main") == 16_000_000_000
    monkeypatch.setattr(slurm, "_answer", lambda *_: "1:00:00\ninfinite\n")
    assert slurm.longest_time() == 0


def test_a_cause_is_asked_of_the_controller_then_of_the_accounts(monkeypatch):
    """The accounts lag behind, but know the steps, and jobs that the controller has forgotten."""
    killed = RUNNING.replace("RUNNING", "TIMEOUT")

    called = answering(monkeypatch, {"scontrol": killed})
    assert slurm.end_cause("1", 10**9) == "time"
    assert [command[0] for command in called] == ["scontrol"]
    called = answering(monkeypatch, {"sacct": OVER_MEMORY})
    assert slurm.end_cause("5", 2 * 10**8) == "memory"
    assert [command[0] for command in called] == ["scontrol", "sacct"]


def test_only_jobs_that_wait_are_cancelled(monkeypatch):
    """Those of one run, by their name."""
    called = answering(monkeypatch, {"squeue": "2|PartitionTimeLimit\n5|Priority\n"})

    assert list(slurm.waiting_jobs("run-1")) == [("2", "PartitionTimeLimit"), ("5", "Priority")]
    assert slurm.cancel_waiting_jobs("run-1") == ["2", "5"]
    assert called[-1] == ("scancel", "--state=PENDING", "2", "5")


def test_preempted_jobs_are_requeued(monkeypatch):
    """One call for each: Slurm may refuse one of them."""
    called = answering(monkeypatch, {"squeue": "7\n9\n"})

    assert slurm.requeue_preempted_jobs("run-1") == ["7", "9"]
    assert called[1:] == [("scontrol", "requeue", "7"), ("scontrol", "requeue", "9")]


def test_without_slurm_nothing_is_known(monkeypatch):
    """No command is installed."""
    monkeypatch.setenv("PATH", "/nowhere")

    assert slurm.show_job("1") is None
    assert slurm.end_cause("1", 10**9) == ""
    assert list(slurm.waiting_jobs("run-1")) == []
