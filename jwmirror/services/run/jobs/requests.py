"""Batches in plan files, and what their jobs request: as estimated, then more of what was short."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from jwmirror.core.jsonio import parse, read
from jwmirror.core.model import Chain
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.plan import LEVELS_WITHOUT_GRISMS, UNLIMITED, JobLimits, JobRequest
from jwmirror.planning.estimates.jobs import request_of

GROWTH = 2  # after an attempt that was short of something


class _PlanParts(msgspec.Struct):
    """The parts of a plan that the rules use. A plan is large, so batches are read one by one."""

    batches: dict[str, msgspec.Raw] = {}
    levels: tuple[str, ...] = LEVELS_WITHOUT_GRISMS


@cache
def _parts_of(plan: Path) -> _PlanParts:
    """Return parts of a plan file, which never changes once it is written."""
    return read(plan, _PlanParts)


def planned_levels(plan: Path | str) -> tuple[str, ...]:
    """Return the levels of a run, by the plan file of the first one."""
    return _parts_of(Path(plan)).levels


def batches_of(plan: Path | str) -> Collection[str]:
    """Return the names of the batches of a plan file."""
    return _parts_of(Path(plan)).batches.keys()


def chains_of(plan: Path | str, batch: str) -> tuple[Chain, ...]:
    """Return the chains of one batch of a plan file."""
    return parse(bytes(_parts_of(Path(plan)).batches[batch]), tuple[Chain, ...])


@cache
def job_request(
    plan: Path | str, batch: str, limits: JobLimits, threads: int = UNLIMITED
) -> JobRequest:
    """Return what a batch of a plan file needs by estimate, with at most so many threads."""
    return request_of(chains_of(plan, batch), limits, threads)


def request_after(request: JobRequest, attempts: Sequence[Attempt]) -> JobRequest:
    """Return what the next attempt of a job requests, by the ends of those before it.

    More memory only after a kill for memory, more time only after a time limit.
    """
    return replace(
        request,
        memory=_memory_after(request.memory, attempts),
        minutes=_minutes_after(request.minutes, attempts),
    )


def _memory_after(estimate: float, attempts: Sequence[Attempt]) -> float:
    """Return the bytes to request.

    Where the scheduler did not start a job that requested more, that is what was given before.
    """
    needed = given = estimate
    for attempt in attempts:
        if attempt.end == "memory":
            needed, given = grown(attempt.memory, attempt.largest), attempt.memory
        elif attempt.end == "never started":
            needed = given
    return needed


def _minutes_after(estimate: int, attempts: Sequence[Attempt]) -> int:
    short = (attempt for attempt in attempts if attempt.end == "time")
    return max([estimate, *(grown(attempt.minutes, attempt.longest) for attempt in short)])


def grown(given: int, most: int) -> int:
    """Return the amount to request after `given` was too little.

    `most`: what a job can be given; 0 if that is not known.
    """
    return max(given, min(GROWTH * given, most or GROWTH * given))
