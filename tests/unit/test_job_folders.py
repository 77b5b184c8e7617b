"""Work folders of jobs: what nobody removes while a job is at work, here, in Slurm or elsewhere."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.log import MESSAGES, read_messages
from jwmirror.core.model import write
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.run import Executor
from jwmirror.services.run.jobs import folders, waiting
from jwmirror.services.run.jobs.folders import (
    MARK,
    JobWatch,
    close_work,
    job_folder,
    open_work,
    scratch_folder,
    take_over,
)
from jwmirror.services.run.jobs.waiting import unusual_waits, watch_waiting_jobs
from jwmirror.store.lock import JOB_LOCK
from jwmirror.store.runs import RunFiles

RUN = "20260301T120000.000000Z-1"
JOB = """
import sys, time
from pathlib import Path
from jwmirror.services.run.jobs.folders import job_folder
work, record, mirror = map(Path, sys.argv[1:])
with job_folder(work, record, mirror) as folder:
    (folder / "input").touch()
    print("at work", flush=True)
    time.sleep(float(sys.stdin.readline()))
"""


@pytest.fixture
def files(tmp_path) -> RunFiles:
    """The records of a run."""
    return RunFiles(tmp_path / "receipts/runs" / RUN)


@pytest.fixture
def work(tmp_path) -> Path:
    """The work folder of the run, which has begun."""
    folder = tmp_path / "work" / RUN
    open_work(folder)
    return folder


@pytest.fixture
def job(tmp_path, files, work):
    """A process that is a job of the run, at work; it ends the seconds after that it is sent."""
    record = files.attempt("exposures", "b1", 1)
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, str(work), str(record), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "at work\n"
    write(record, Attempt(number=1, host="here", pid=process.pid))
    yield process
    process.kill()
    process.communicate()


def test_a_killed_run_is_taken_over_when_its_jobs_have_ended(job, work, files, capsys):
    """It says for which job it waits; the job's folder is there until the job has ended."""
    job.stdin.write("0.5\n")
    job.stdin.flush()

    take_over(work, files)

    assert job.wait(10) == 0  # it removed its folder itself, without an error
    assert not work.exists()
    assert f"Waiting for 1 job of run {RUN}, which was killed: process {job.pid} on here" in (
        capsys.readouterr().err
    )


def test_jobs_that_were_killed_with_their_run_are_not_awaited(job, work, files, capsys):
    """Their folders and heartbeats go."""
    job.send_signal(signal.SIGKILL)
    job.wait()
    write(files.heartbeat("exposures", "b1"), "of the job")
    assert (work / "exposures-b1-1" / "input").exists()

    take_over(work, files)

    assert not work.exists() and not files.heartbeats.exists()
    assert capsys.readouterr().err == ""


def test_a_run_that_ends_leaves_the_folders_of_its_jobs_that_are_still_at_work(job, work, files):
    """After Ctrl-C a scheduler may need a while to end them. The next run removes them."""
    (work / "exposures-b2-1" / JOB_LOCK).mkdir(parents=True)

    close_work(work, files)

    assert [path.name for path in work.iterdir()] == ["exposures-b1-1"]
    assert (work / "exposures-b1-1" / "input").exists()


@pytest.mark.parametrize("end", [close_work, take_over])
def test_a_job_that_begins_after_its_run_has_ended_computes_nothing(tmp_path, work, files, end):
    """It waited in a scheduler. It leaves no folder."""
    end(work, files)

    with (
        pytest.raises(CalibrationError, match=f"run {RUN} has ended"),
        job_folder(work, files.attempt("exposures", "b1", 1), tmp_path),
    ):
        pytest.fail("it began")

    assert list(work.glob("*")) == []


def test_jobs_of_slurm_are_awaited_by_what_slurm_says(work, files, monkeypatch, capsys):
    """Whatever the lock in their folder says, which may be a dead node's. Those that wait go."""
    for number in (1, 2):
        write(
            files.attempt("exposures", "b1", number), Attempt(number=number, slurm_id=f"1{number}")
        )
        lock = work / f"exposures-b1-{number}" / JOB_LOCK
        lock.mkdir(parents=True)
        (lock / "other~machine~boot~space~1~1~nonce").touch()
    write(files.executor, Executor(job_name="run-1"))
    answers = {"11": [True, True, False], "12": [False]}
    monkeypatch.setattr(folders, "ASK_S", 0.0)
    monkeypatch.setattr(folders, "LOOK_S", 0.01)
    marks = []

    def is_at_work(job: str, memory: int) -> bool:
        marks.append((work / MARK).exists())  # a job that begins now would compute the same
        return answers[job].pop(0)

    monkeypatch.setattr(folders.slurm, "is_at_work", is_at_work)
    monkeypatch.setattr(folders.slurm, "cancel_waiting_jobs", {"run-1": ["13", "14"]}.get)

    take_over(work, files)

    assert not work.exists() and answers == {"11": [], "12": []}
    assert not any(marks)
    message = capsys.readouterr().err
    assert f"Cancelled 2 jobs of run {RUN}, which was killed: 13, 14." in message
    assert "Waiting for 1 job" in message and "Slurm job 11" in message


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ({"slurm_id": "11"}, "Slurm job 11"),
        ({"other_id": "17.server"}, "job 17.server of the scheduler, process 4 on n1"),
        ({}, "process 4 on n1"),
    ],
)
def test_a_job_that_is_awaited_is_named_as_its_scheduler_knows_it(tmp_path, ids, words):
    """So that the user can end it."""
    attempt = Attempt(number=1, host="n1", pid=4, **ids)

    assert JobWatch(tmp_path, attempt).description == words


def test_a_job_that_slurm_requeues_does_not_wait_for_its_former_execution(
    tmp_path, work, files, monkeypatch
):
    """Its node is dead, so nobody releases the lock; another job of that folder would wait."""
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    record = files.attempt("exposures", "b1", 1)
    write(record, Attempt(number=1, slurm_id="17"))
    lock = work / record.stem / JOB_LOCK
    lock.mkdir(parents=True)
    (lock / "other~machine~boot~space~1~1~nonce").touch()

    with job_folder(work, record, tmp_path) as folder:
        names = [path.name for path in (folder / JOB_LOCK).iterdir()]

    assert len(names) == 1 and not names[0].startswith("other")


# ---- jobs that wait ----------------------------------------------------------------------------


def test_only_unusual_reasons_to_wait_are_reported():
    """Not that other jobs come first, or that the user's running jobs fill a limit."""
    ordinary = ("Priority", "Resources", "QOSMaxCpuPerUserLimit", "AssocGrpMemLimit")
    jobs = [("2", "PartitionTimeLimit"), ("3", "AssocGrpCPUMinutesLimit")]
    jobs += [("4", "PartitionTimeLimit"), *(("5", reason) for reason in ordinary)]

    assert dict(unusual_waits(jobs)) == {
        "PartitionTimeLimit": ["2", "4"],
        "AssocGrpCPUMinutesLimit": ["3"],
    }


def test_each_reason_is_reported_once(tmp_path, monkeypatch, capsys):
    """With what to do; until the run ends. `jwmirror run` shows it, too."""
    ended = threading.Event()
    answers = [[("2", "PartitionTimeLimit")]] * 3

    def answer(name: str) -> list[tuple[str, str]]:
        if len(answers) == 1:
            ended.set()
        return answers.pop()

    monkeypatch.setattr(waiting, "LOOK_S", 0.0)
    monkeypatch.setattr(waiting, "waiting_jobs", answer)
    monkeypatch.setattr(waiting, "requeue_preempted_jobs", lambda name: [])

    notes = tmp_path / "notes"
    notes.touch()
    monkeypatch.setenv(MESSAGES, str(notes))

    watch_waiting_jobs("run-1", ended)

    message = capsys.readouterr().err
    assert [note.text for note in read_messages(notes)] == message.splitlines()
    assert message.count("Slurm does not start 2: PartitionTimeLimit.") == 1
    assert "`scontrol show job 2`" in message


def test_stages_run_on_the_disk_that_the_site_names(tmp_path, monkeypatch):
    """In a private folder there, which goes with the job; otherwise in the mirror."""
    monkeypatch.setenv("TMPDIR_OF_JOB", str(tmp_path))

    with scratch_folder("$TMPDIR_OF_JOB", Path("mirror/work")) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    with scratch_folder("", Path("mirror/work")) as folder:
        assert folder == Path("mirror/work")


@pytest.mark.parametrize(
    ("scratch", "why"),
    [
        ("$NOT_SET_HERE", "its variable is not set"),
        ("/proc/none", "there is no /proc/none"),
        ("/proc/version", "found /proc/version"),
    ],
)
def test_a_scratch_folder_that_is_not_there_is_named(scratch, why):
    """With the node and the key of the config; nothing is computed elsewhere."""
    with pytest.raises(CalibrationError, match=r"calibrate\.scratch: .* correct it") as raised:
        scratch_folder(scratch, Path("mirror/work")).__enter__()

    assert scratch in str(raised.value) and f"; {why} on " in str(raised.value)
