"""Jobs: chains are cut into batches by time; what one needs, and what no partition takes. Pure.

Exposures run side by side in a job, as many as its threads and its memory allow. So an exposure
takes a share of the job's time: its seconds, times its part of the threads or of the memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import ceil

from jwmirror.core.grouping import group_by
from jwmirror.core.model import Chain, Plan, digest
from jwmirror.core.model.plan import UNLIMITED, JobLimits, JobRequest
from jwmirror.core.model.run import RunEstimate
from jwmirror.core.printing import duration
from jwmirror.planning.estimates.memory import JOB, job_bytes, stage_budget
from jwmirror.report.formatting import size

NAME_LENGTH = 12  # hex digits
START_S = 15.0  # of any job, with Snakemake and jwst; trivial jobs on Slurm take 11 to 19 s
MARGIN = 3  # a job requests so many times the estimated seconds: they may be wrong by as much
LEAST_MINUTES = 10  # that a job requests
SHORTEST_S = 0.1  # that an exposure counts, so that batches of any length can be cut

Group = list[Chain]  # of one exposure or association


def make_batches(chains: Iterable[Chain], limits: JobLimits) -> dict[str, tuple[Chain, ...]]:
    """Cut chains into batches that take about equal time, about that of the limits at most.

    A batch of one exposure or association may take longer. The chains of one exposure stay
    together, in order. The name of a batch depends on its recipes and derivations only.
    """
    groups = group_by(chains, lambda chain: chain.product)
    batches = (
        tuple(chain for group in batch for chain in group)
        for batch in _cut(list(groups.values()), limits)
    )
    return {_name(batch): batch for batch in batches}


def request_of(chains: Sequence[Chain], limits: JobLimits, threads: int = UNLIMITED) -> JobRequest:
    """Return what a job needs that calibrates these chains, with at most so many threads.

    Memory is at most that of the largest partition, also if more is needed.
    """
    groups = list(group_by(chains, lambda chain: chain.product).values())
    threads = min(threads, _side_by_side(groups, limits))
    memory = job_bytes(chains, threads, limits.memory)
    loads = [_load(group, threads, stage_budget(memory)) for group in groups]
    seconds = START_S + max(sum(loads), *map(_seconds, groups))
    offered = min(memory, max((p.memory for p in limits.partitions), default=UNLIMITED))
    written = sorted((max(chain.written for chain in group) for group in groups), reverse=True)
    return JobRequest(
        chains=len(chains),
        threads=threads,
        memory=offered,
        seconds=seconds,
        minutes=_minutes(seconds, threads, offered, limits),
        disk=sum(written[:threads]),
    )


def _minutes(seconds: float, threads: int, memory: float, limits: JobLimits) -> int:
    """Return the run time to request: with a margin, but not more than a partition grants."""
    granted = [p.seconds for p in limits.partitions if p.memory >= memory and p.threads >= threads]
    minutes = max(LEAST_MINUTES, ceil(MARGIN * seconds / 60))
    return min(minutes, max(granted, default=UNLIMITED) // 60)


def estimate_run(plans: Sequence[Plan], limits: JobLimits, fetch: int = 0) -> RunEstimate | None:
    """Return what the jobs of plans need together; None if there is nothing to do.

    `fetch`: bytes that are to be fetched before.
    """
    levels = [[request_of(batch, limits) for batch in plan.batches.values()] for plan in plans]
    requests = [request for level in levels for request in level]
    if not (requests or fetch):
        return None
    chains = [chain for plan in plans for chain in plan.chains]
    return RunEstimate(
        jobs=len(requests),
        threads=max((request.threads for request in requests), default=0),
        memory=round(max((request.memory for request in requests), default=0)),
        cpu_hours=round(sum(each.threads * each.seconds for each in requests) / 3600, 3),
        seconds=round(sum(request.seconds for request in requests)),
        seconds_at_once=round(sum(max(r.seconds for r in level) for level in levels if level)),
        results=sum(chain.written for chain in chains),
        fetch=fetch,
        too_large=tuple(too_large(chains, limits)),
    )


def too_large(chains: Iterable[Chain], limits: JobLimits) -> Iterator[str]:
    """Yield the exposures and associations that no partition takes even alone, with the reason."""
    if not limits.partitions:
        return
    for (recipe, product), group in group_by(chains, lambda c: (c.recipe, c.product)).items():
        memory, seconds = JOB + max(chain.memory for chain in group), START_S + _seconds(group)
        if not any(p.memory >= memory and p.seconds >= seconds for p in limits.partitions):
            most = (f"{p.name} {_amount(p.memory, p.seconds)}" for p in limits.partitions)
            yield (
                f"{recipe}/{product} fits no partition: it needs about {_amount(memory, seconds)}, "
                f"expected at most: {', '.join(most)}"
            )


def _side_by_side(groups: Sequence[Group], limits: JobLimits) -> int:
    """Return how many exposures can run side by side: threads, and memory for the smallest."""
    sizes = sorted(max(chain.memory for chain in group) for group in groups)
    fitting = sum(total <= stage_budget(limits.memory) for total in accumulate(sizes))
    return max(1, min(fitting, limits.threads))


def _cut(groups: Sequence[Group], limits: JobLimits) -> Iterator[Sequence[Group]]:
    """Yield the groups in order, in as few batches of about equal time as possible."""
    loads = [_load(group, limits.threads, stage_budget(limits.memory)) for group in groups]
    total = sum(loads)
    count = max(ceil(total / limits.seconds), ceil(len(groups) / limits.exposures))
    batch: list[Group] = []
    number = 0  # of the batch
    for group, load, passed in zip(groups, loads, accumulate(loads), strict=True):
        number_now = int((passed - load / 2) * count / total)  # by its middle
        if batch and (number_now > number or len(batch) == limits.exposures):
            yield batch
            batch = []
        batch.append(group)
        number = number_now
    if batch:
        yield batch


def _load(group: Group, threads: int, budget: float) -> float:
    """Return the seconds that an exposure adds to a job with these threads and bytes."""
    memory = max(chain.memory for chain in group)
    share = max(1 / threads, min(1.0, memory / max(budget, 1.0)))
    return share * _seconds(group)


def _seconds(group: Group) -> float:
    return max(SHORTEST_S, sum(chain.seconds for chain in group))


def _amount(memory: float, seconds: float) -> str:
    """Return bytes and seconds in words; without those that are not limited."""
    parts = [size(round(memory))] * (memory < UNLIMITED)
    parts += [duration(seconds)] * (seconds < UNLIMITED)
    return " and ".join(parts) or "without limit"


def _name(batch: tuple[Chain, ...]) -> str:
    return digest([(chain.recipe, chain.derivations) for chain in batch])[:NAME_LENGTH]
