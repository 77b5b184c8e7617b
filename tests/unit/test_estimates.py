"""Estimates: seconds and bytes of stages, jobs cut by them, and what no partition takes."""

from dataclasses import replace
from io import StringIO

import msgspec
import pytest
from rich.console import Console, RenderableType

from jwmirror.core.model import Chain, Derivation, Input, Plan, canonical
from jwmirror.core.model.plan import JobLimits, Partition, StageTimes
from jwmirror.core.model.run import Run
from jwmirror.planning.estimates import jobs, runtime
from jwmirror.planning.estimates.jobs import estimate_run, make_batches, request_of, too_large
from jwmirror.planning.estimates.memory import JOB
from jwmirror.planning.estimates.results import ANY, written_bytes
from jwmirror.planning.estimates.runtime import assumed_seconds, stage_seconds, with_stages
from jwmirror.report.status import Preview, build_status
from jwmirror.report.terminal.status import plan_page
from tests.setup import records

GB = 10**9
SHORT = Partition(name="short", seconds=3600)
LARGE = Partition(name="large", seconds=600, memory=90 * GB, threads=4)
MINUTES = JobLimits(exposures=4, seconds=600, threads=2, memory=20e9)


def stage(pipeline: str = "detector1", inputs: int = 1, suffix: str = "uncal") -> Derivation:
    """A derivation of so many inputs."""
    items = tuple(Input(name=f"jw{n}_{suffix}.fits", role="science") for n in range(inputs))
    return records.derivation(pipeline, inputs=items)


def header(size=100, groups=10, integrations=1, exp_type="NRC_IMAGE"):
    """A header of an exposure of that size."""
    return canonical(
        {
            "meta.subarray.xsize": size,
            "meta.subarray.ysize": size,
            "meta.exposure.ngroups": groups,
            "meta.exposure.nints": integrations,
            "meta.exposure.type": exp_type,
        }
    )


def chain(product: str, seconds: float, memory: float = 0, written: int = 0) -> Chain:
    """A chain that needs so much."""
    return records.chain(
        records.derivation(product=product), memory=int(memory), seconds=seconds, written=written
    )


# ---- seconds ---------------------------------------------------------------------------------


def test_before_any_stage_was_timed_seconds_are_assumed_by_mode_and_shape():
    """They grow with pixels, groups and integrations; modes differ."""
    small, large = header(100), header(2048)

    assert assumed_seconds(stage(), small) == pytest.approx(1.0 + 0.6e-6 * 100 * 100 * 10)
    assert stage_seconds(stage(), large, {}) == assumed_seconds(stage(), large) > 20
    assert assumed_seconds(stage("spec2"), header(exp_type="MIR_MRS")) > assumed_seconds(
        stage("spec2"), header(exp_type="MIR_LRS-FIXEDSLIT")
    )
    assert assumed_seconds(stage(), "") == assumed_seconds(stage(), header(2048, 1, exp_type=""))


def test_stages_that_were_timed_replace_what_is_assumed():
    """Exactly for the same mode and shape."""
    times = with_stages({}, [(stage(), header(), 6.0), (stage(), header(), 8.0)])

    assert stage_seconds(stage(), header(), times) == pytest.approx(7.0)


def test_times_of_other_kinds_change_an_assumption_by_two_at_most():
    """The nearest kind counts: of the same mode, of the same pipeline, of any."""
    slow, little = [(stage(), header(), 100.0)] * 3, (stage("image2"), header(), 0.8)
    times = with_stages({}, [*slow, little])

    for other in (header(2048), header(2048, exp_type="MIR_IMAGE")):
        assert stage_seconds(stage(), other, times) == pytest.approx(
            2 * assumed_seconds(stage(), other)
        )
    of_mode = stage_seconds(stage("image2"), header(2048), times)
    assert of_mode < assumed_seconds(stage("image2"), header(2048))
    assert stage_seconds(stage("spec2"), header(), times) == pytest.approx(
        2 * assumed_seconds(stage("spec2"), header())
    )


def test_new_times_outweigh_many_old_ones():
    """A mirror may be moved to another machine."""
    old = with_stages({}, [(stage(), header(), 10.0)] * 1000)

    new = with_stages(old, [(stage(), header(), 2.0)] * 200)

    assert new["all"].stages <= 2 * runtime.MOST_STAGES
    assert stage_seconds(stage(), header(), new) == pytest.approx(2.0, rel=0.3)


def test_a_mirror_keeps_few_times():
    """Shapes within a factor of two are one kind."""
    times = with_stages({}, [(stage(), header(size), 1.0) for size in range(100, 130)])

    assert set(times) <= {
        *("all", "detector1", "detector1 NRC_IMAGE"),
        *("detector1 NRC_IMAGE 17", "detector1 NRC_IMAGE 18"),
    }
    assert times["all"] == StageTimes(30, 30.0, times["all"].assumed)


# ---- bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("derivation", "size", "measured_mb"),
    [
        (stage(), 2048, 168),
        (stage("image2", suffix="rate"), 2048, 235),
        (stage("image3", inputs=2, suffix="cal"), 2048, 440),
    ],
)
def test_bytes_of_results_are_estimated(derivation, size, measured_mb):
    """Within a factor of 1.5 of what jwst wrote for a full frame."""
    assert measured_mb / 1.5 < written_bytes(derivation, header(size)) / 1e6 < measured_mb * 1.5


def test_a_kept_ramp_is_counted():
    """It has all groups."""
    more = written_bytes(stage(), header(), keeps_ramp=True) - written_bytes(stage(), header())

    assert more == 100 * 100 * 10 * 5
    assert written_bytes(stage(), header(integrations=3)) == ANY + 100 * 100 * 80


# ---- jobs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([300] * 4, [4]),
        ([300] * 5, [2, 3]),
        ([300] * 8, [4, 4]),
        ([1] * 9, [3, 3, 3]),
        ([1] * 5, [2, 3]),
        ([5000, 1, 1], [1, 2]),
        ([1200, 1200, 1200], [1, 1, 1]),
        ([0, 0], [2]),
        ([], []),
    ],
)
def test_batches_are_cut_by_time_and_by_number(seconds, expected):
    """Two exposures run side by side, so a job of 600 s has exposures of 1,200 s."""
    chains = [chain(f"x{n}", each) for n, each in enumerate(seconds)]

    batches = make_batches(chains, MINUTES)

    assert [len(batch) for batch in batches.values()] == expected
    assert [each for batch in batches.values() for each in batch] == chains
    assert all(len(name) == jobs.NAME_LENGTH for name in batches)


def test_exposures_that_need_much_memory_make_smaller_batches():
    """Fewer of them run side by side."""
    small = [chain(f"s{n}", 300) for n in range(4)]
    large = [chain(f"l{n}", 300, memory=15 * GB) for n in range(4)]

    assert [len(batch) for batch in make_batches(small, MINUTES).values()] == [4]
    assert [len(batch) for batch in make_batches(large, MINUTES).values()] == [2, 2]


def test_a_batch_has_no_more_exposures_than_the_limit():
    """Whatever they take: one slow exposure makes the others seem to take no time."""
    chains = [*(chain(f"x{n}", 1) for n in range(6)), chain("slow", 100_000)]

    batches = make_batches(chains, MINUTES).values()

    assert max(map(len, batches)) == MINUTES.exposures


def test_the_chains_of_one_exposure_are_in_one_batch_and_count_once():
    """In their order; two recipes may calibrate it."""
    chains = [chain(name, 100) for name in ("a", "b", "a", "c")]

    (batch,) = make_batches(chains, MINUTES).values()

    assert [each.product for each in batch] == ["a", "a", "b", "c"]
    assert request_of(batch, MINUTES).threads == 2


@pytest.mark.parametrize(
    ("number", "memory", "threads"), [(1, 1, 1), (2, 1, 2), (8, 1, 2), (8, 15, 1), (8, 90, 1)]
)
def test_a_job_has_a_thread_for_each_exposure_that_can_run(number, memory, threads):
    """Up to the site's maximum, and to its memory."""
    chains = [chain(f"x{n}", 60, memory * GB) for n in range(number)]

    assert request_of(chains, MINUTES).threads == threads


def test_a_job_takes_as_long_as_its_threads_or_its_longest_exposure():
    """And some seconds to start; memory that only one can have makes them run in turn."""
    many, uneven = [chain(f"x{n}", 60) for n in range(6)], [chain("a", 500), chain("b", 20)]
    large = [chain(f"x{n}", 60, 18 * GB) for n in range(6)]

    assert request_of(many, MINUTES).seconds == jobs.START_S + 180
    assert request_of(many, MINUTES, threads=1).seconds == jobs.START_S + 360
    assert request_of(uneven, MINUTES).seconds == jobs.START_S + 500
    assert request_of(large, MINUTES).seconds == pytest.approx(jobs.START_S + 360, rel=0.1)


def test_the_work_folder_has_the_results_of_exposures_side_by_side():
    """The largest ones."""
    chains = [chain(f"x{n}", 60, written=n * GB) for n in range(4)]

    assert request_of(chains, MINUTES).disk == 5 * GB


@pytest.mark.parametrize(
    ("seconds", "partitions", "minutes"),
    [
        (5, (), jobs.LEAST_MINUTES),
        (1180, (), 60),
        (2980, (), 150),
        (2980, (SHORT, LARGE), 60),
        (2980, (LARGE,), 10),
        (2980, (replace(LARGE, memory=GB), SHORT), 60),
    ],
)
def test_the_requested_time_has_a_margin_within_the_partitions(seconds, partitions, minutes):
    """Only those count that take the job's memory and threads."""
    request = request_of([chain("a", seconds, GB)], JobLimits(partitions=partitions))

    assert request.minutes == minutes


def test_a_partition_with_too_few_threads_grants_a_job_no_time():
    """Its time limit does not count; that of the partition that takes the job does."""
    thin = Partition(name="thin", seconds=10**6, threads=1)
    limits = replace(MINUTES, partitions=(thin, SHORT))

    assert request_of([chain("a", 2980)], limits).minutes == 150
    assert request_of([chain("a", 2980), chain("b", 2980)], limits).minutes == 60


def test_what_fits_no_partition_is_named_with_what_it_needs():
    """By memory or by time, even if another partition takes the other."""
    short = Partition(name="short", seconds=1800, memory=200 * GB)
    long = Partition(name="long", memory=60 * GB)
    limits = JobLimits(partitions=(short, long))
    fits = [chain("a", 900, 150 * GB), chain("b", 90000, 30 * GB)]
    mosaic, slow = chain("mosaic", 900, 300 * GB), chain("slow", 90000, 150 * GB)

    named = list(too_large([*fits, mosaic, slow], limits))

    assert [words.partition(" ")[0] for words in named] == ["deep/mosaic", "deep/slow"]
    assert "about 301 GB and 15 min" in named[0]
    assert "short 200 GB and 30 min, long 60 GB" in named[0]
    assert list(too_large([mosaic], JobLimits())) == []


def test_a_job_requests_no_more_than_the_largest_partition_has():
    """What is estimated too large is tried with that."""
    limits = JobLimits(partitions=(Partition(name="large", memory=90 * GB),))

    assert request_of([chain("mosaic", 60, 300 * GB)], limits).memory == 90 * GB
    assert request_of([chain("mosaic", 60, 50 * GB)], limits).memory == JOB + 50 * GB


# ---- runs ------------------------------------------------------------------------------------


def plans_of(*levels: list[Chain]) -> list[Plan]:
    """Plans with a batch for each chain."""
    return [
        Plan(context="c", batches={each.product: (each,) for each in chains}) for chains in levels
    ]


def test_a_run_needs_what_its_jobs_need():
    """Levels follow each other; their jobs may run at the same time."""
    exposures = [chain("a", 100, GB, 7), chain("b", 50, 2 * GB, 3)]
    plans = plans_of(exposures, [], [chain("mosaic", 1000, 300 * GB, 10)])
    limits = JobLimits(partitions=(LARGE,))

    estimate = estimate_run(plans, limits, fetch=5)

    assert (estimate.jobs, estimate.threads, estimate.memory) == (3, 1, 90 * GB)
    assert (estimate.results, estimate.fetch) == (20, 5)
    assert estimate.seconds == 3 * jobs.START_S + 1150
    assert estimate.seconds_at_once == 2 * jobs.START_S + 1100
    assert estimate.cpu_hours == pytest.approx(estimate.seconds / 3600, abs=0.001)
    assert [words.partition(" ")[0] for words in estimate.too_large] == ["deep/mosaic"]


def test_a_run_without_work_has_no_estimate():
    """With files to fetch, it has one, although what they become is unknown."""
    assert estimate_run(plans_of([]), JobLimits()) is None
    assert estimate_run(plans_of([]), JobLimits(), fetch=5).fetch == 5


def text_of(page: RenderableType) -> str:
    """The text of a page."""
    console = Console(file=StringIO(), width=200)
    console.print(page)
    return console.file.getvalue()


def test_plan_shows_what_the_next_run_needs():
    """Jobs, threads, memory, disk, time, CPU, bytes to fetch, and what fits nowhere."""
    plans = plans_of([chain("a", 3000, 2 * GB, 5 * GB), chain("mosaic", 9000, 300 * GB)])
    estimate = estimate_run(plans, JobLimits(partitions=(LARGE,)), fetch=3 * GB)
    status = build_status("mirror", None, (), Run(id="1"), Preview(plans=(), estimate=estimate))

    shown = " ".join(text_of(plan_page(status)).split())

    assert "To fetch, as the last poll found: 3 GB" in shown
    assert "Estimated: 2 jobs with up to 1 thread and 90 GB; 5 GB of results" in shown
    assert "3 h 20 min with one job after the other, 2 h 30 min with all of a level" in shown
    assert "3.3 CPU-hours" in shown
    assert "Larger than any partition; tried with the most that one gives (2) deep/a" in shown
    assert msgspec.to_builtins(status)["estimate"]["jobs"] == 2


def test_of_the_chains_of_an_exposure_the_largest_counts():
    """They run one after the other, for whichever recipe."""
    limits = JobLimits(seconds=600, threads=8, memory=20e9, partitions=(LARGE,))
    pair = [chain("a", 400, 18 * GB), chain("a", 400, GB)]

    alone = make_batches([*pair, chain("b", 400, 18 * GB)], limits)

    assert [len(batch) for batch in alone.values()] == [2, 1]
    assert request_of(pair, limits).disk == 0
    assert list(too_large([chain("c", 1, GB), chain("c", 1, 99 * GB)], limits)) != []


def test_the_smallest_exposures_decide_how_many_run_side_by_side():
    """One that fills the memory of the job waits, whatever its place."""
    chains = [chain("a", 60, 19 * GB), *(chain(f"x{n}", 60, GB) for n in range(3))]
    limits = JobLimits(threads=8, memory=20e9)

    assert request_of(chains, limits).threads == request_of(chains[::-1], limits).threads == 3
    wide = Plan(context="c", batches={"1": tuple(chains), "2": (chain("y", 60),)})
    assert estimate_run([wide], limits).threads == 3
