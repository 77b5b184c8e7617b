"""Work folders: each job of a run has one, which is not removed while the job is at work.

The folder of a job contains its lock. The folder of a run contains a mark for as long as the run
may have jobs; a job that finds no mark ends, because another run may compute the same now.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from jwmirror.core.errors import CalibrationError
from jwmirror.core.log import print_note
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.run import Executor
from jwmirror.engine import slurm
from jwmirror.engine.allocation import SLURM_ID
from jwmirror.report.formatting import count
from jwmirror.store.lock import JOB_LOCK, LOOK_S, LockWatch, acquire_folder
from jwmirror.store.runs import RunFiles, read_if_written

MARK = "has-jobs"
ASK_S = 10.0  # between two questions to Slurm about a job


@contextmanager
def job_folder(work: Path, record: Path, mirror: Path) -> Iterator[Path]:
    """Yield the folder of a job below the one of its run, locked; remove it at the block's end.

    `record`: the file of the attempt. If Slurm has requeued the job, the former execution is dead.

    Raises:
        CalibrationError: the run has ended.
    """
    folder = work / record.stem
    former = read_if_written(record, Attempt)
    if former and former.slurm_id and former.slurm_id == os.environ.get(SLURM_ID):
        shutil.rmtree(folder, ignore_errors=True)
    lock = acquire_folder(folder / JOB_LOCK, mirror, f"job {record.stem}", wait_s=None)
    try:
        if not (work / MARK).exists():
            raise CalibrationError(
                f"run {work.name} has ended, so this job of it does not begin; nothing was "
                "computed; the next run computes what is missing."
            )
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def scratch_folder(scratch: str, otherwise: Path) -> Iterator[Path]:
    """Yield a new private folder in `scratch`, removed at the block's end; without it, `otherwise`.

    Raises:
        CalibrationError: there is no such folder here, or a variable in its name is not set.
    """
    if not scratch:
        yield otherwise
        return
    folder, node = Path(os.path.expandvars(scratch)), os.uname().nodename
    if not os.access(folder, os.W_OK | os.X_OK):
        why = f"found {folder}" if folder.exists() else f"there is no {folder}"
        why = "its variable is not set" if "$" in str(folder) else why
        raise CalibrationError(
            f"calibrate.scratch: {scratch}: expected a folder that this job can write to; {why} on "
            f"{node}; nothing was computed; correct it, and run again."
        )
    with TemporaryDirectory(prefix="jwmirror-", dir=folder) as made:
        yield Path(made)


def open_work(work: Path) -> None:
    """Make the folder of a run, which may have jobs from now on."""
    work.mkdir(parents=True, exist_ok=True)
    (work / MARK).touch()


def close_work(work: Path, files: RunFiles) -> None:
    """Remove the folder of a run that ends; jobs that are still at work keep theirs."""
    (work / MARK).unlink(missing_ok=True)
    jobs = _jobs(work, files)
    for job in jobs:
        if job.is_over():
            shutil.rmtree(job.folder, ignore_errors=True)
    with suppress(OSError):
        work.rmdir()


def take_over(work: Path, files: RunFiles) -> None:
    """End what is left of a run that was killed: cancel jobs that wait, await the others.

    What they compute is in the store then. Then remove the run's work folder and heartbeats.
    """
    (work / MARK).unlink(missing_ok=True)
    executor = read_if_written(files.executor, Executor) or Executor()
    cancelled = slurm.cancel_waiting_jobs(executor.job_name) if executor.job_name else []
    if cancelled:
        jobs = count(len(cancelled), "job")
        print_note(
            f"Cancelled {jobs} of run {work.name}, which was killed: {', '.join(cancelled)}."
        )
    at_work = [job for job in _jobs(work, files) if not job.is_over()]
    if at_work:
        print_note(
            f"Waiting for {count(len(at_work), 'job')} of run {work.name}, which was killed: "
            f"{', '.join(job.description for job in at_work)}. Their results are used. You may "
            "end them, and lose what they are computing."
        )
    while at_work:
        time.sleep(LOOK_S)
        at_work = [job for job in at_work if not job.is_over()]
    for folder in (work, files.heartbeats):
        shutil.rmtree(folder, ignore_errors=True)


class JobWatch:
    """Notices the end of a job of another run: Slurm knows, or the lock in the job's folder."""

    def __init__(self, folder: Path, attempt: Attempt):
        self.folder, self._attempt = folder, attempt
        self._lock = LockWatch()
        self._is_at_work: bool | None = None
        self._ask_at = 0.0  # monotonic, s

    @property
    def description(self) -> str:
        """The job, for people who look for it."""
        if self._attempt.slurm_id:
            return f"Slurm job {self._attempt.slurm_id}"
        process = f"process {self._attempt.pid} on {self._attempt.host}"
        job = self._attempt.other_id
        return f"job {job} of the scheduler, {process}" if job else process

    def is_over(self) -> bool:
        """Return whether the job has ended; call it every second."""
        if self._attempt.slurm_id and time.monotonic() >= self._ask_at:
            self._is_at_work = slurm.is_at_work(self._attempt.slurm_id, self._attempt.memory)
            self._ask_at = time.monotonic() + ASK_S
        if self._is_at_work is not None:
            return not self._is_at_work
        files = list(self.folder.glob(f"{JOB_LOCK}/[!.]*"))
        return not files or self._lock.is_free(files[0])


def _jobs(work: Path, files: RunFiles) -> list[JobWatch]:
    """Return the jobs of a run that have folders: they are at work, or were killed."""
    folders = sorted(path for path in work.glob("*") if path.is_dir() and not path.is_symlink())
    records = (
        read_if_written(files.attempts / f"{folder.name}.json", Attempt) for folder in folders
    )
    unknown = Attempt(number=1)
    return [
        JobWatch(folder, record or unknown) for folder, record in zip(folders, records, strict=True)
    ]
