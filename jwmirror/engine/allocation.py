"""What the system gives to this job: by its scheduler, cgroups and machine."""

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from jwmirror.core.model.jobs.attempts import Attempt, EndCause
from jwmirror.core.model.run import Executor
from jwmirror.engine import slurm
from jwmirror.engine.memory_pool import machine_memory
from jwmirror.pipeline.machine import usable_cpus

SLURM_ID = "SLURM_JOB_ID"  # environment variable
OTHER_IDS = ("PBS_JOBID", "LSB_JOBID")  # the same of PBS and LSF
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def begin_attempt(
    number: int, memory: int, cpus: int, executor: Executor, minutes: int = 0
) -> Attempt:
    """Return the record of this job: of what it requested (bytes, CPUs, minutes) and was given.

    Slurm's variables do not reach the steps of a job, so Slurm is asked. Without a scheduler there
    is no time limit.
    """
    machine = min(machine_memory(), *_cgroup_limits())
    attempt = Attempt(
        number=number,
        host=socket.gethostname(),
        pid=os.getpid(),
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        memory=memory,
        largest=machine,
        cpus=min(cpus, usable_cpus()),
    )
    job = os.environ.get(SLURM_ID, "") if executor.job_name else ""
    others = (os.environ.get(name, "") for name in OTHER_IDS)
    attempt = replace(attempt, slurm_id=job, other_id=next(filter(None, others), ""))
    if attempt.other_id and not job:
        attempt = replace(attempt, minutes=minutes, seconds_left=60 * minutes)
    if given := slurm.show_job(job) if job else None:
        partition = "" if executor.picks_partitions else given.partition
        attempt = replace(
            attempt,
            memory=given.memory or memory,
            largest=slurm.largest_node(partition),
            cpus=min(attempt.cpus, given.cpus or cpus),
            minutes=given.minutes,
            longest=slurm.longest_time(partition),
            seconds_left=max(0, 60 * given.minutes - given.seconds_run),
        )
    return replace(attempt, memory=min(attempt.memory, machine))


def end_attempt(attempt: Attempt, end: EndCause) -> Attempt:
    """Return the record of this job at its end, with what it and its ended children have used."""
    own, children = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    began = datetime.fromisoformat(attempt.began)
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return replace(
        attempt,
        end=end,
        seconds=round((datetime.now(UTC) - began).total_seconds(), 1),
        cpu_seconds=round(sum(use.ru_utime + use.ru_stime for use in (own, children)), 1),
        peak_memory=max(own.ru_maxrss, children.ru_maxrss) * kilobyte,
    )


def _cgroup_limits() -> Iterator[int]:
    """Yield the limits of memory (bytes) of the cgroups, version 1 or 2, that this process is in.

    Where a container hides its cgroup's path, its limit is that of the outermost one it sees.
    """
    for line in OWN_CGROUPS.read_text().splitlines() if OWN_CGROUPS.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, name = CGROUPS / controllers, "memory.max"
        if controllers:
            name = "memory.limit_in_bytes"
        inner = root / path.lstrip("/")
        for folder in (inner, *inner.parents):
            limit = _first_word(folder / name)
            if limit.isdigit():
                yield int(limit)
            if folder == root:
                break


def _first_word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
