"""What failed in the last run of a mirror: why, where its messages are, how to try it again."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from jwmirror.core.errors import as_typed, command_to_run
from jwmirror.core.files import open_regular
from jwmirror.core.model import Failure, Plan, Receipt
from jwmirror.core.model.jobs.attempts import Attempt, EndCause
from jwmirror.core.model.plan import LEVELS
from jwmirror.core.model.run import Executor, Run, Stop
from jwmirror.core.printing import printable
from jwmirror.engine.slurm import end_cause, is_at_work
from jwmirror.report.failures import FailureList, ListedFailure
from jwmirror.store.lock import RUN_LOCK, lock_note
from jwmirror.store.runs import (
    JOB_LOG,
    RunFiles,
    job_logs,
    last_run,
    read_if_written,
    started_at,
)

LINES = 20  # of the end of a log
TAIL = 65536  # bytes that they are looked for in
AGAIN = "run {run} again"
RETRY = {  # by the cause of a failure
    "failed": f"correct what the message names, then {AGAIN}; only what is missing is computed",
    "killed": f"let jobs request more memory (calibrate.memory in the config), then {AGAIN}",
    "late": f"allow more time, as the message says, then {AGAIN}",
    "disk": f"make room on the disk that is named, then {AGAIN}",
}
REFUSED_DOWNLOAD = (
    f"{AGAIN}, which requests it again; `archive.accept_refused` in the config takes it as it is"
)
REFUSED_PLAN = "correct the recipe ({check}) or its inputs, then run {run} again"
ENDS: dict[EndCause, str] = {
    "": "it ended without a receipt: it was killed, or its log says why",
    "done": "it computed its results, and could not write its receipt; its log says why",
    "memory": "it was killed for lack of memory",
    "time": "it reached its time limit",
    "cancelled": "it was cancelled by a user or an administrator",
    "node": "its node failed, or it was preempted",
    "failed": "it failed; its log says why",
    "never started": "the scheduler did not start it",
}
STORED = f"{AGAIN}; what the job has stored is not computed again"
MORE: dict[EndCause, str] = {
    "memory": f"raise `restart-times` in the profile, or name a larger partition; {STORED}",
    "time": f"raise `runtime` or `restart-times` in the profile; {STORED}",
    "never started": f"request what a partition gives (`scontrol show partition`); {STORED}",
}
NOT_BEGUN = "it ended before it began to calibrate; the scheduler's log may say why"
AT_WORK = "it had not ended when its run did, and Slurm still has it; the next run waits"
STOPPED = "the run was killed, or a job ended without a word"


def list_failures(root: Path) -> FailureList:
    """Return what failed in the last run with a poll, and why later runs ended early."""
    run = last_run(root)
    if run is None:
        return FailureList(mirror=str(root), run=None)
    owner = lock_note(root, RUN_LOCK)
    at_work = f"{owner.purpose}, since {owner.since}" if owner else ""
    failures = FailuresOfRun(root, run, is_at_work=bool(owner) and not run.published)
    return FailureList(
        mirror=str(root), run=run.id, at_work=at_work, failures=tuple(failures.all())
    )


@dataclass(frozen=True)
class FailuresOfRun:
    """The failures of one run, with what its logs say about them."""

    root: Path
    run: Run
    is_at_work: bool

    @property
    def _files(self) -> RunFiles:
        return RunFiles(self.root / "receipts" / "runs" / self.run.id)

    @property
    def _logs(self) -> Path:
        return self.root / "logs" / self.run.id

    def all(self) -> Iterator[ListedFailure]:
        """Yield stops of runs, unfinished jobs, then what failed although its job was finished."""
        unfinished = [] if self.is_at_work else list(self._unfinished_jobs())
        yield from self._stops(has_reason=bool(unfinished))
        yield from unfinished
        listed: list[Failure] = []
        for level in LEVELS:
            for path in self._files.batches(level):
                receipt = read_if_written(path, Receipt) or Receipt()
                for failure in receipt.failures:
                    listed.append(failure)
                    yield self._of_calibration(failure, level, path.stem)
        yield from map(self._other, (each for each in self.run.failures if each not in listed))

    def _of_calibration(self, failure: Failure, level: str, batch: str) -> ListedFailure:
        logs, attempt = job_logs(self._logs, level, batch), self._last_attempt(level, batch)
        listed = ListedFailure(
            name=failure.name,
            why=failure.message,
            retry=_advice(RETRY.get(failure.cause, RETRY["failed"])),
            cause=failure.cause,
            job=logs.name,
            scheduler_id=attempt.scheduler_id,
            host=attempt.host,
        )
        return _with_log(listed, logs / (failure.log or JOB_LOG))

    def _unfinished_jobs(self) -> Iterator[ListedFailure]:
        """Yield the jobs that were started and wrote no receipt."""
        for level in LEVELS:
            plan = read_if_written(self._files.plan(level), Plan)
            for batch in plan.batches if plan else ():
                attempt = self._last_attempt(level, batch)
                logs = job_logs(self._logs, level, batch)
                of_slurm = self._log_of_slurm(level, batch, attempt)
                is_started = attempt.number or logs.is_dir() or of_slurm
                if is_started and not self._files.batch(level, batch).exists():
                    listed = _with_log(_ended_job(logs.name, attempt), of_slurm)
                    listed = replace(listed, log="", scheduler_log=listed.log)
                    yield _with_log(listed, logs / JOB_LOG)

    @cached_property
    def _executor(self) -> Executor:
        return read_if_written(self._files.executor, Executor) or Executor()

    def _log_of_slurm(self, level: str, batch: str, attempt: Attempt) -> Path | None:
        """Return what Slurm wrote on a job of this run: of its last attempt, else the newest.

        Snakemake's plugin removes it when a job succeeds.
        """
        began = started_at(self.run.id)
        if not (self._executor.logs and began):
            return None
        since = datetime.fromisoformat(began).timestamp()
        found = Path(self._executor.logs).glob(f"rule_calibrate_batch/{level}_{batch}/*.log")
        times = {path: path.stat().st_mtime for path in found}  # an earlier run had such batches
        own = [path for path in times if path.stem == attempt.slurm_id]
        newest = sorted((time, path) for path, time in times.items() if time >= since)
        return next((path for path in (*own, *(path for _, path in newest[::-1]))), None)

    def _last_attempt(self, level: str, batch: str) -> Attempt:
        """Return the last attempt of a batch on record, or one with number 0."""
        last = Attempt(number=0)
        while attempt := read_if_written(
            self._files.attempt(level, batch, last.number + 1), Attempt
        ):
            last = attempt
        return last

    def _stops(self, has_reason: bool) -> Iterator[ListedFailure]:
        """Yield why runs ended before they published; not if only jobs failed (`has_reason`)."""
        for stop in self.run.stops:
            is_this = stop.run == self.run.id
            if not stop.rule and is_this and (self.is_at_work or has_reason):
                continue
            name = f"{stop.rule} of run {stop.run}" if stop.rule else f"run {stop.run}"
            listed = ListedFailure(name=name, why=stop.why or STOPPED, retry=_advice(AGAIN))
            yield _with_log(listed, self._log_of_rule(stop))

    def _log_of_rule(self, stop: Stop) -> Path | None:
        """Return the newest log of the rule that ended a run, if one did."""
        logs = (self.root / "logs" / stop.run).glob(f"{stop.rule or '-'}*")
        files = [file for path in logs for file in (path, *path.glob("*.log")) if file.is_file()]
        return max(files, key=lambda path: path.stat().st_mtime_ns, default=None)

    def _other(self, failure: Failure) -> ListedFailure:
        """Return a failed download or listing, or a refusal of a plan."""
        retry = REFUSED_PLAN if failure.recipe else AGAIN
        retry = REFUSED_DOWNLOAD if failure.refused else retry
        return ListedFailure(name=failure.name, why=failure.message, retry=_advice(retry))


def _ended_job(name: str, attempt: Attempt) -> ListedFailure:
    """Return a job that wrote no receipt. Slurm is asked why its last attempt ended."""
    end = attempt.end
    why = ENDS[end] if attempt.number else NOT_BEGUN
    if attempt.slurm_id and not end:
        end = end_cause(attempt.slurm_id, attempt.memory)
        is_alive = not end and is_at_work(attempt.slurm_id, attempt.memory)
        why = AT_WORK if is_alive else ENDS[end]
    attempts = f" (attempt {attempt.number})" if attempt.number > 1 else ""
    return ListedFailure(
        name=f"job {name}",
        why=why + attempts,
        retry=_advice(MORE.get(end, STORED)),
        cause="killed" if end == "memory" else "",
        job=name,
        scheduler_id=attempt.scheduler_id,
        host=attempt.host,
    )


def _advice(text: str) -> str:
    """Return a next step with the commands as the user calls them."""
    return text.format(run=command_to_run(), check=as_typed("check"))


def _with_log(listed: ListedFailure, log: Path | None) -> ListedFailure:
    """Return a failure with the path of a log and its last lines, if it exists."""
    if log is None or not log.exists():
        return listed
    lines: tuple[str, ...] = ()
    with suppress(OSError), open_regular(log) as file:  # logs are closed to other users
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        text = file.read().decode(errors="replace")
        lines = tuple(printable(line) for line in text.splitlines() if line.strip())[-LINES:]
    return replace(listed, log=str(log), last_lines=lines)
