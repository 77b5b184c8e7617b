"""How long a run will take: estimates from what the mirror has calibrated before."""

import pytest

from jwmirror.core.model.run import FetchBeat
from jwmirror.planning.estimates.remaining import (
    EndedJob,
    OrderedFiles,
    PlannedChain,
    RunningChain,
    RunningJob,
    fetch_state,
    level_state,
)
from tests.unit.test_running import A, B

# ---- estimates ---------------------------------------------------------------------------------


def test_downloads_are_summed_over_all_observations():
    """Whole orders, and what the jobs at work have; their rates give the time that is left."""
    orders = {A: OrderedFiles(2, 3000), B: OrderedFiles(4, 7000)}
    beats = {B: FetchBeat(files=1, bytes=2000, rate=500.0)}

    state = fetch_state(orders, {A}, beats, None, observations=2)

    assert (state.files_done, state.files, state.bytes_done, state.bytes) == (3, 6, 5000, 10_000)
    assert (state.rate, state.seconds_left) == (500.0, 10.0)


@pytest.mark.parametrize(("rate", "left"), [(0.0, None), (None, None), (1e-9, None), (100.0, 70.0)])
def test_a_time_that_cannot_be_known_is_not_estimated(rate, left):
    """Nothing arrives, no job is at work, it would be years, or hardly anything has arrived."""
    orders = {A: OrderedFiles(2, 3000), B: OrderedFiles(4, 7000)}
    first = {A: FetchBeat(files=0, bytes=99, rate=1.0)}

    assert fetch_state(orders, {A}, {}, rate, observations=2).seconds_left == left
    assert fetch_state(orders, set(), first, rate, observations=2).seconds_left is None


def test_of_many_bytes_a_small_part_is_enough():
    """1 % of 10 TB takes 20 minutes."""
    orders = {A: OrderedFiles(2, 10**13)}
    beats = {A: FetchBeat(files=0, bytes=2 * 10**8, rate=1e9)}

    assert fetch_state(orders, set(), beats, None, observations=1).seconds_left == 9999.8


def test_more_bytes_than_mast_lists_are_not_more_than_all():
    """Nor does a beat count that is left of an order that has ended."""
    orders = {A: OrderedFiles(2, 3000)}
    beats = {A: FetchBeat(files=9, bytes=4000, rate=1.0)}

    for done in ({A}, set()):
        state = fetch_state(orders, done, beats, None, observations=1)
        assert (state.files_done, state.bytes_done, state.seconds_left) == (2, 3000, None)


BATCHES = {
    name: tuple(PlannedChain("deep", f"{name}{number}", 100.0) for number in range(4))
    for name in ("a", "b")
}


def running(ended: int, *seconds: float) -> RunningJob:
    """A job of batch b that computes its exposures from the first on."""
    chains = (RunningChain("deep", f"b{n}", passed) for n, passed in enumerate(seconds))
    return RunningJob(ended, tuple(chains))


def test_the_time_left_is_shared_by_the_workers():
    """300 s wait, and 150 are left of two stages: with two at once that is 225 s."""
    state = level_state("exposures", {"b": BATCHES["b"]}, {}, {"b": running(0, 20.0, 30.0)})

    assert state.seconds_left == pytest.approx((200 + 80 + 70) / 2)
    assert (state.exposures, state.exposures_done, state.jobs_at_work) == (4, 0, 1)


def test_what_this_run_took_corrects_the_estimate():
    """Stages took twice as long as in the mirror before; what failed counts as done."""
    ends = {"a": EndedJob(failed=1, spent=800.0)}

    state = level_state("exposures", BATCHES, ends, {"b": running(3, 50.0)})

    assert (state.exposures_done, state.failed, state.jobs_done) == (7, 1, 1)
    assert state.seconds_left == pytest.approx(150.0)
    unknown = {"a": EndedJob(failed=0, spent=None)}  # earlier attempts have computed a part
    assert level_state(
        "exposures", BATCHES, unknown, {"b": running(3, 50.0)}
    ).seconds_left == pytest.approx(50.0)


def test_nothing_is_estimated_where_no_stage_runs_or_one_takes_much_too_long():
    """As while all jobs wait for the scheduler. A stage of another plan is no help either."""
    for jobs in ({}, {"b": running(0)}, {"b": running(3, 500.0)}, {"b": running(0, *[1.0] * 5)}):
        assert level_state("exposures", BATCHES, {}, jobs).seconds_left is None


def test_a_rest_is_never_shorter_than_its_longest_stage():
    """Of some seconds nothing is said: the start of a job takes longer."""
    uneven = {"b": (PlannedChain("deep", "b0", 1000.0), PlannedChain("deep", "b1", 10.0))}
    left = level_state("exposures", uneven, {}, {"b": running(0, 0.0, 9.0)}, side_by_side=8)
    late = level_state("exposures", uneven, {}, {"b": running(1, 1500.0)})

    assert left.seconds_left == 1000.0
    assert late.seconds_left is None  # any moment now
