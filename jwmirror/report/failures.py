"""The failures of a run in one record. The fields are the keys of `jwmirror failures --json`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ListedFailure:
    """Something that failed: why, where its messages are, and how to try it again."""

    name: str  # of a file, recipe/product, job or rule
    why: str
    retry: str
    cause: str = ""  # as in Failure, if it is known
    job: str = ""  # <level>-<batch>, of a calibration
    scheduler_id: str = ""  # of the job's last attempt; "" without a cluster
    host: str = ""  # that the last attempt ran on
    log: str = ""  # path; "" if it does not exist
    scheduler_log: str = ""  # path of what the scheduler wrote on a job that left no receipt
    last_lines: tuple[str, ...] = ()  # of the log, or of the scheduler's if the job wrote none


@dataclass(frozen=True, kw_only=True)
class FailureList:
    """What failed in the last run of a mirror, and in runs since then that ended early."""

    mirror: str
    run: str | None  # its id; None without a run
    at_work: str = ""  # owner of the mirror's lock, and since when
    failures: tuple[ListedFailure, ...] = ()
