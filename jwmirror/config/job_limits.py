"""Limits of jobs, by `calibrate` and `partitions` in a config."""

from collections.abc import Mapping
from typing import Any

from jwmirror.core.model.jobs.times import slurm_seconds
from jwmirror.core.model.plan import UNLIMITED, JobLimits, Partition
from jwmirror.pipeline.machine import usable_cpus

MOST_THREADS = 8  # of a job, if the config does not say
MB = 1_000_000


def job_limits(calibrate: Mapping[str, Any], partitions: Mapping[str, Any]) -> JobLimits:
    """Return the limits of jobs; none requests more threads or memory than a partition has.

    `calibrate` and `partitions` are the parts of a checked config.
    """
    offered = tuple(_partition(name, raw) for name, raw in partitions.items())
    threads = calibrate["threads"] or min(MOST_THREADS, usable_cpus())
    return JobLimits(
        exposures=calibrate["batch"],
        seconds=calibrate["minutes"] * 60,
        threads=min(threads, max((each.threads for each in offered), default=UNLIMITED)),
        memory=min(
            calibrate["memory"] * 1e9, max((each.memory for each in offered), default=UNLIMITED)
        ),
        partitions=offered,
    )


def _partition(name: str, raw: Mapping[str, Any]) -> Partition:
    return Partition(
        name=name,
        threads=raw.get("max_threads", UNLIMITED),
        memory=raw["max_mem_mb"] * MB if "max_mem_mb" in raw else UNLIMITED,
        seconds=_seconds(raw["max_runtime"]) if "max_runtime" in raw else UNLIMITED,
    )


def _seconds(runtime: int | str) -> int:
    """Return the seconds of a number of minutes, or of a time as Slurm writes it."""
    return runtime * 60 if isinstance(runtime, int) else slurm_seconds(runtime)
