"""Attempts: executions of a job, what each was given, and why it ended."""

from dataclasses import dataclass
from typing import Literal

EndCause = Literal[
    "",  # it has not ended, or there is no scheduler that knows
    "done",
    "memory",
    "time",
    "cancelled",  # by a user or an administrator
    "node",  # the node failed, or the job was preempted
    "failed",  # by itself
    "never started",
]


def stage_name(recipe: str, pipeline: str, product: str) -> str:
    """Return the name of a stage in the records of attempts."""
    return f"{recipe}/{pipeline}/{product}"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One execution of a job: what it was given, why it ended, and what it had used then."""

    number: int  # from 1; further ones are restarts by Snakemake
    end: EndCause = ""
    slurm_id: str = ""  # "" with another executor
    other_id: str = ""  # of another scheduler
    host: str = ""
    pid: int = 0  # on the host
    began: str = ""  # ISO, UTC
    memory: int = 0  # bytes that it was given
    largest: int = 0  # bytes that a job can be given; 0: not known
    cpus: int = 0
    minutes: int = 0  # its time limit; 0: none, or not known
    longest: int = 0  # minutes that a job can be given; 0: as for `minutes`
    seconds_left: float = 0.0  # of its time limit when it began; 0: no limit, or not known
    too_large: tuple[str, ...] = ()  # exposures that were killed although they ran alone
    at_work: tuple[str, ...] = ()  # stages that ran when it was killed, as `stage_name` names them
    seconds: float = 0.0  # until its end; 0 if it was killed
    cpu_seconds: float = 0.0
    peak_memory: int = 0  # bytes of its largest process

    @property
    def scheduler_id(self) -> str:
        """The id that a scheduler gave to the job; "" without one."""
        return self.slurm_id or self.other_id
