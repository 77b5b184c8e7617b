"""Questions to Slurm about jobs, through its commands; Snakemake's executor does the rest.

Wherever a command is missing, fails, or answers nothing, the answer is None or empty: no run ends
because Slurm does not answer.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from jwmirror.core.model.jobs.attempts import EndCause
from jwmirror.core.model.jobs.times import slurm_seconds

CAUSES: dict[str, EndCause] = {  # by Slurm's state of a job
    "OUT_OF_MEMORY": "memory",
    "TIMEOUT": "time",
    "DEADLINE": "time",
    "CANCELLED": "cancelled",
    "NODE_FAIL": "node",
    "BOOT_FAIL": "node",
    "PREEMPTED": "node",
    "REVOKED": "node",
    "FAILED": "failed",
    "COMPLETED": "failed",  # without a receipt
}
ANSWER_S = 60.0  # the longest wait for one command
MEGABYTE = 10**6  # Slurm means 2**20 bytes, but executors pass Snakemake's mem_mb on unchanged
UNITS = {"K": MEGABYTE / 1024, "M": MEGABYTE, "G": MEGABYTE * 1024, "T": MEGABYTE * 1024**2}
COMPLETING = "COMPLETING"  # state of a job that has ended on a node that has not cleaned up yet
NEARLY_ALL = 0.95  # of the memory that a job was given: Slurm samples what it uses
FIELD = re.compile(r"(?:^|\s)([A-Za-z/]+)=(\S*)")


@dataclass(frozen=True, kw_only=True)
class SlurmJob:
    """A job as `scontrol show job` describes it; 0 where it does not say."""

    state: str
    memory: int  # bytes
    cpus: int
    minutes: int
    partition: str
    seconds_run: int = 0


def show_job(job: str) -> SlurmJob | None:
    """Return a job that runs, waits, or ended in the last minutes (Slurm's MinJobAge)."""
    lines = _answer("scontrol", "show", "job", job, "--oneliner").splitlines()
    jobs = (line for line in lines if f"JobId={job}" in line.split())  # else tasks of one array
    return parse_job(next(jobs, ""))


def parse_job(line: str) -> SlurmJob | None:
    """Return the job in a line of `scontrol show job --oneliner`; None if it does not exist."""
    fields = dict(FIELD.findall(line))
    if "JobState" not in fields:
        return None
    granted = fields.get("AllocTRES") or fields.get("TRES") or fields.get("ReqTRES") or ""
    amounts = dict(item.partition("=")[::2] for item in granted.split(","))
    return SlurmJob(
        state=fields["JobState"],
        memory=_bytes(amounts.get("mem", "")),
        cpus=int(cpus) if (cpus := amounts.get("cpu", "")).isdigit() else 0,
        minutes=slurm_seconds(fields.get("TimeLimit", "")) // 60,
        partition=fields.get("Partition", ""),
        seconds_run=slurm_seconds(fields.get("RunTime", "")),
    )


def end_cause(job: str, memory: int) -> EndCause:
    """Return why a job ended that was given `memory` bytes; "" if it has not, or is not known."""
    shown = show_job(job)
    state = shown.state if shown else ""
    is_clear = CAUSES.get(state, "failed") != "failed"  # else the accounts may say more
    return cause_of(state, "" if is_clear else _steps(job), memory)


def is_at_work(job: str, memory: int) -> bool | None:
    """Return whether a job runs, or will run; None if Slurm does not know or answer."""
    shown = show_job(job)
    if shown and shown.state not in (COMPLETING, *CAUSES):
        return True
    return False if end_cause(job, memory) else None


def cause_of(state: str, steps: str, memory: int) -> EndCause:
    """Return the cause by the state of a job and by the lines of `sacct` for it and its steps.

    A step that is killed for memory may leave the job FAILED (JobAcctGatherParams=OverMemoryKill).
    """
    rows = [line.split("|") for line in steps.splitlines() if line.count("|") == 2]
    states = [row[1].partition(" ")[0] for row in rows]  # CANCELLED by 1000
    is_known = state not in ("", COMPLETING)
    cause = CAUSES.get(state if is_known else next(iter(states), ""), "")
    most = max((_bytes(row[2]) for row in rows), default=0)
    if cause == "failed" and ("OUT_OF_MEMORY" in states or 0 < NEARLY_ALL * memory <= most):
        return "memory"
    return cause


def _steps(job: str) -> str:
    """Return the lines of `sacct` for a job and its steps: id|state|memory."""
    fields = "JobIDRaw,State,MaxRSS"
    answer = _answer("sacct", "-j", job, "--noheader", "--parsable2", f"--format={fields}")
    lines = answer.splitlines()  # those of an array have all of its tasks
    return "\n".join(line for line in lines if re.match(rf"{job}[.|]", line))


def largest_node(partition: str = "") -> int:
    """Return the memory (bytes) of the largest node of a partition, or of all; 0 if not known."""
    return max((_bytes(f"{size.rstrip('+')}M") for size in _limits(partition, "%m")), default=0)


def longest_time(partition: str = "") -> int:
    """Return the largest time limit (minutes) of a partition, or of all; 0: no limit."""
    limits = [slurm_seconds(limit) // 60 for limit in _limits(partition, "%l")]
    return max(limits, default=0) if all(limits) else 0


def _limits(partition: str, field: str) -> list[str]:
    """Return a field of `sinfo` for each kind of node of a partition, or of all partitions."""
    options = [f"--partition={partition}"] if partition else []
    return _answer("sinfo", "--noheader", *options, f"--format={field}").split()


def waiting_jobs(name: str) -> Iterator[tuple[str, str]]:
    """Yield (id, Slurm's reason) of the jobs of a name that have not started."""
    options = ("--me", f"--name={name}", "--states=PENDING", "--noheader", "--format=%i|%r")
    for line in _answer("squeue", *options).splitlines():
        job, _, reason = line.partition("|")
        if job[:1].isdigit():  # else the name of a cluster
            yield job, reason


def cancel_waiting_jobs(name: str) -> list[str]:
    """Cancel the jobs of a name that have not started; return their ids."""
    jobs = [job for job, _ in waiting_jobs(name)]
    if jobs:
        _answer("scancel", "--state=PENDING", *jobs)
    return jobs


def requeue_preempted_jobs(name: str) -> list[str]:
    """Requeue the jobs of a name that Slurm has preempted, and not requeued; return their ids."""
    options = ("--me", f"--name={name}", "--states=PREEMPTED", "--noheader", "--format=%i")
    jobs = [line for line in _answer("squeue", *options).splitlines() if line[:1].isdigit()]
    for job in jobs:
        _answer("scontrol", "requeue", job)
    return jobs


def _answer(*command: str) -> str:
    """Return what a command prints; "" if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _bytes(amount: str) -> int:
    """Return the bytes in 500M, 7.50G or 10620K; 0 for anything else."""
    match = re.fullmatch(r"([\d.]+)([KMGT])", amount)
    return round(float(match[1]) * UNITS[match[2]]) if match else 0
