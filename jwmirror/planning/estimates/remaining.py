"""How far a run is, and how long its present phase will take, by what its records say. Pure.

The seconds of each exposure were estimated when it was planned, from how long stages took in this
mirror before. What this run has spent until now corrects them. Where nothing supports an estimate
there is none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jwmirror.core.model.jobs.run_state import FetchState, LevelState
from jwmirror.core.model.run import FetchBeat

LONGEST_S = 30 * 86400.0  # a longer estimate means that almost nothing arrives
MOST = 10.0  # times by which this run may differ from what was estimated
OVERDUE = 2.0  # times its estimated seconds: then nothing is known of how long a stage will take
LEAST_S = 10.0  # the start of a job alone takes longer than what would be estimated
LEAST_PART, LEAST_BYTES = 0.01, 100e6  # that have arrived; before, a rate says nothing


@dataclass(frozen=True)
class OrderedFiles:
    """What one job fetches."""

    files: int
    bytes: int


@dataclass(frozen=True)
class PlannedChain:
    """An exposure or association that a job calibrates with one recipe."""

    recipe: str
    product: str
    seconds: float  # estimated


@dataclass(frozen=True)
class EndedJob:
    """What the receipt of a batch says."""

    failed: int
    spent: float | None  # seconds of all its stages; None: earlier attempts have computed a part


@dataclass(frozen=True)
class RunningChain:
    """A chain that a job computes now, and for how long the present stage has run."""

    recipe: str
    product: str
    seconds: float


@dataclass(frozen=True)
class RunningJob:
    """What the heartbeat of a batch says."""

    ended: int  # chains
    chains: tuple[RunningChain, ...]


def fetch_state(
    orders: Mapping[str, OrderedFiles],
    done: Collection[str],
    beats: Mapping[str, FetchBeat],
    rate: float | None,
    observations: int,
) -> FetchState | None:
    """Return how far the downloads are; None if nothing was ordered.

    `done`: the orders that have a receipt. `rate`: bytes/s, if it was watched; otherwise it is what
    the jobs at work say.
    """
    if not orders:
        return None
    at_work = {name: beat for name, beat in beats.items() if name in orders and name not in done}
    ended = [orders[name] for name in orders if name in done]
    total = sum(order.bytes for order in orders.values())
    arrived = sum(order.bytes for order in ended) + sum(
        min(beat.bytes, orders[name].bytes or beat.bytes) for name, beat in at_work.items()
    )
    if rate is None and at_work:
        rate = sum(beat.rate for beat in at_work.values())
    return FetchState(
        observations=observations,
        files=sum(order.files for order in orders.values()),
        files_done=sum(order.files for order in ended)
        + sum(min(beat.files, orders[name].files) for name, beat in at_work.items()),
        bytes=total,
        bytes_done=arrived,
        rate=rate if rate and arrived < total else None,
        seconds_left=_fetch_seconds_left(arrived, total, rate or 0.0),
    )


def _fetch_seconds_left(arrived: int, total: int, rate: float) -> float | None:
    is_known = rate and arrived >= min(LEAST_PART * total, LEAST_BYTES)
    return _bounded((total - arrived) / rate) if is_known and arrived < total else None


def level_state(
    level: str,
    batches: Mapping[str, Sequence[PlannedChain]],
    ends: Mapping[str, EndedJob],
    jobs: Mapping[str, RunningJob],
    side_by_side: int = 0,
) -> LevelState:
    """Return how far the calibration of a level is.

    `jobs` are those at work, by their batches. `side_by_side`: how many stages ran at the same
    time lately, if that was watched.
    """
    at_work = {name: job for name, job in jobs.items() if name in batches and name not in ends}
    running = sum(min(job.ended, len(batches[name])) for name, job in at_work.items())
    return LevelState(
        level=level,
        exposures=sum(map(len, batches.values())),
        exposures_done=sum(len(batches[name]) for name in ends if name in batches) + running,
        failed=sum(end.failed for end in ends.values()),
        jobs=len(batches),
        jobs_done=sum(name in batches for name in ends),
        jobs_at_work=len(at_work),
        seconds_left=_seconds_left(batches, ends, at_work, side_by_side),
    )


def _seconds_left(
    batches: Mapping[str, Sequence[PlannedChain]],
    ends: Mapping[str, EndedJob],
    at_work: Mapping[str, RunningJob],
    side_by_side: int,
) -> float | None:
    """Return about how long a level will take, with as many stages at the same time as now.

    None if none runs, or if one takes much longer than was estimated.
    """
    factor = _correction(batches, ends)
    waiting = sum(
        chain.seconds for name in batches.keys() - ends.keys() - at_work.keys()
        for chain in batches[name]
    )  # fmt: skip
    rests: list[float] = []
    for name, job in at_work.items():
        planned = {(chain.recipe, chain.product): chain.seconds for chain in batches[name]}
        present = [(chain, planned.get((chain.recipe, chain.product))) for chain in job.chains]
        for chain, seconds in present:
            if seconds is None or chain.seconds > OVERDUE * max(factor * seconds, LEAST_S):
                return None
            rests.append(max(factor * seconds - chain.seconds, 0.0))
        missing = 1 - min(job.ended / max(len(planned), 1), 1.0)
        begun = sum(seconds for _, seconds in present if seconds)
        waiting += max(missing * sum(planned.values()) - begun, 0.0)
    if not rests:
        return None
    at_once = max(side_by_side, len(rests))
    seconds = _bounded(max((factor * waiting + sum(rests)) / at_once, *rests))
    return seconds if seconds and seconds >= LEAST_S else None


def _correction(
    batches: Mapping[str, Sequence[PlannedChain]], ends: Mapping[str, EndedJob]
) -> float:
    """Return how much longer the jobs of this run took than was estimated."""
    known = [(name, end.spent) for name, end in ends.items() if end.spent and name in batches]
    estimated = sum(chain.seconds for name, _ in known for chain in batches[name])
    spent = sum(seconds for _, seconds in known if seconds)
    return min(max(spent / estimated, 1 / MOST), MOST) if spent and estimated else 1.0


def _bounded(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST_S else None
