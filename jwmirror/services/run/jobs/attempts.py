"""Attempts of a job: what each was given, how it goes on from those before it, why it ended."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TypedDict

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import write
from jwmirror.core.model.jobs.attempts import Attempt, EndCause, stage_name
from jwmirror.core.model.run import Executor, Heartbeat
from jwmirror.engine.allocation import begin_attempt, end_attempt
from jwmirror.engine.batch import ShortOfMemoryError
from jwmirror.engine.slurm import end_cause
from jwmirror.planning.estimates.memory import stage_budget
from jwmirror.services.run.jobs.requests import grown
from jwmirror.store.runs import RunFiles, read_if_written

RESERVE_S = 120  # of a time limit: to store the last results, and to write the receipt
KILLS: frozenset[EndCause] = frozenset(["memory", "failed", ""])  # that a stage may have caused

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchJob:
    """A job that calibrates a batch, and what it requested."""

    run: Path  # folder
    level: str
    batch: str
    attempt: int  # from 1
    cpus: int
    memory: int  # bytes
    minutes: int = 0

    @property
    def record(self) -> Path:
        """The file of the attempt, in the folder of the run."""
        return RunFiles(self.run).attempt(self.level, self.batch, self.attempt)


class BatchLimits(TypedDict):
    """Arguments of `engine.batch.calibrate`."""

    workers: int
    memory_limit: float  # bytes
    has_retries_left: bool
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class PresentAttempt:
    """The attempt of this process, those before it, and what follows for the exposures."""

    attempt: Attempt
    earlier: tuple[Attempt, ...]
    retries: int  # of the job, altogether

    @property
    def side_by_side(self) -> int:
        """The number of exposures to run at a time.

        One, if an exposure was too large alone. One also in the attempt before the last, if earlier
        ones were killed: if this one is killed too, the exposure that ran is the cause.
        """
        has_large = any(former.too_large for former in self.earlier)
        finds_cause = bool(self._killed) and self.attempt.number == self.retries
        return 1 if has_large or finds_cause else self.attempt.cpus

    @property
    def _killed(self) -> list[frozenset[str]]:
        """The stages that ran at each earlier kill that a stage may have caused."""
        return [
            frozenset(former.at_work)
            for former in self.earlier
            if former.end in KILLS and former.at_work and not former.too_large
        ]

    @property
    def memory_limit(self) -> float:
        """The bytes to plan with: less after each kill for memory, as estimates were too low."""
        kills = sum(former.end == "memory" for former in self.earlier)
        return stage_budget(self.attempt.memory) / (1 + kills)

    @property
    def limits(self) -> "BatchLimits":
        """The limits of the calibration, by the names of its arguments."""
        return BatchLimits(
            workers=self.side_by_side,
            memory_limit=self.memory_limit,
            has_retries_left=self.can_get_more_memory,
            seconds_left=self.seconds_left,
        )

    @property
    def is_last(self) -> bool:
        """True if the job is not restarted after this attempt."""
        return self.attempt.number > self.retries

    @property
    def seconds_left(self) -> float:
        """The seconds for stages: without limit, unless this is the last attempt.

        One that reaches its time limit writes no receipt, so that nothing of the run is published.
        """
        left = self.attempt.seconds_left
        return left - min(RESERVE_S, left / 5) if self.is_last and left else inf

    @property
    def fatal(self) -> frozenset[str]:
        """The stages that the last attempt leaves out: they ran at each of several kills before."""
        is_shown = self.is_last and len(self._killed) > 1
        return frozenset.intersection(*self._killed) if is_shown else frozenset()

    @property
    def can_get_more_memory(self) -> bool:
        """True if a restart could be given more memory than this attempt was."""
        killed = [former.memory for former in self.earlier if former.end == "memory"]
        given, largest = self.attempt.memory, self.attempt.largest
        has_grown = not killed or given > killed[-1]
        return not self.is_last and has_grown and grown(given, largest) > given


@contextmanager
def recorded_attempt(job: BatchJob) -> Iterator[PresentAttempt]:
    """Record in the folder of the run what this job is given, and at the end of the block its end.

    Both are in the job's log, too. Where the block is killed, Slurm knows the end.
    """
    files = RunFiles(job.run)
    executor = read_if_written(files.executor, Executor) or Executor()
    _record_stages_at_work(files, job)
    earlier = earlier_attempts(files, job.level, job.batch, job.attempt)
    attempt = begin_attempt(job.attempt, job.memory, job.cpus, executor, job.minutes)
    write(job.record, attempt)
    _log_given(attempt)
    try:
        yield PresentAttempt(attempt=attempt, earlier=earlier, retries=executor.retries)
    except ShortOfMemoryError as error:
        short = end_attempt(attempt, "memory")
        write(job.record, replace(short, too_large=tuple(error.names)))
        raise
    done = end_attempt(attempt, "done")
    write(job.record, done)
    log.info(
        "used %.1f s, %.1f s of CPU, and %.0f MB in the largest process",
        done.seconds,
        done.cpu_seconds,
        done.peak_memory / 1e6,
    )


def _record_stages_at_work(files: RunFiles, job: BatchJob) -> None:
    """Record the stages that ran when the attempt before this one was killed, by its heartbeat."""
    path = files.attempt(job.level, job.batch, job.attempt - 1)
    former = read_if_written(path, Attempt)
    beat = None
    with suppress(StoreError):  # it is not durable, so a crash may have emptied it
        beat = read_if_written(files.heartbeat(job.level, job.batch), Heartbeat)
    if former and beat and (beat.host, beat.pid) == (former.host, former.pid):
        stages = (stage_name(each.recipe, each.pipeline, each.product) for each in beat.stages)
        write(path, replace(former, at_work=tuple(stages)))


def _log_given(attempt: Attempt) -> None:
    """Log where an attempt runs, and what it is given."""
    log.info(
        "attempt %d on %s%s: %.0f MB, %d CPUs%s",
        attempt.number,
        attempt.host,
        f", job {attempt.scheduler_id} of the scheduler" if attempt.scheduler_id else "",
        attempt.memory / 1e6,
        attempt.cpus,
        f", {attempt.minutes} minutes" if attempt.minutes else "",
    )


def earlier_attempts(files: RunFiles, level: str, batch: str, number: int) -> tuple[Attempt, ...]:
    """Return the attempts of a batch before the one of that number, with the causes of their ends.

    They have ended. Slurm is asked for a cause once; it is written down for those who ask later.
    """
    return tuple(_ended(files, level, batch, earlier) for earlier in range(1, number))


def _ended(files: RunFiles, level: str, batch: str, number: int) -> Attempt:
    path = files.attempt(level, batch, number)
    attempt = read_if_written(path, Attempt)
    if attempt is None:
        return Attempt(number=number, end="never started")
    if attempt.slurm_id and not attempt.end:
        attempt = replace(attempt, end=end_cause(attempt.slurm_id, attempt.memory))
        if attempt.end:
            write(path, attempt)
    return attempt
