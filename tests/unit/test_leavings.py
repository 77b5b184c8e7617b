"""What stopped runs left: what their receipts refer to, level by level, is not published yet."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jwmirror.core.model import (
    Change,
    Orders,
    Plan,
    Poll,
    Receipt,
    ResultFile,
    Version,
    write,
)
from jwmirror.core.model.plan import PlansAhead, References
from jwmirror.core.model.product import NEW, VANISHED
from jwmirror.core.model.quality import JudgedResult, Quality
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.run_cleanup import find_needed_by_runs
from jwmirror.store.runs import RunFiles
from tests.setup.records import product, result

OLDER, NEWEST = "20260301T120000.000000Z-1", "20260302T120000.000000Z-1"
CONTEXT = "jwst_1464.pmap"
PLACES = {
    "plan-exposures.json": lambda done: Plan(context=CONTEXT, done=(done,)),
    "plan-associations-2.json": lambda done: Plan(context=CONTEXT, done=(done,)),
    "plan-associations-3.json": lambda done: Plan(context=CONTEXT, done=(done,)),
    "ahead-exposures.json": lambda done: PlansAhead(plans=(Plan(context=CONTEXT, done=(done,)),)),
    "ahead-associations-2.json": lambda done: PlansAhead(
        plans=(Plan(context=CONTEXT, done=(done,)),)
    ),
    "exposures/batch.json": lambda done: Receipt(results=(done,)),
    "associations-3/batch.json": lambda done: Receipt(results=(done,)),
}


def left(root: Path) -> frozenset[str]:
    """The objects that are not published yet."""
    policy = RetentionPolicy(keep_last=2)
    return find_needed_by_runs(root, (), policy, datetime(2026, 3, 3, tzinfo=UTC)).unpublished


@pytest.mark.parametrize("run", [OLDER, NEWEST])
def test_whatever_level_a_run_stopped_at_its_results_are_known(tmp_path, run):
    """Plans, what was planned ahead of their levels, and receipts of batches are all read."""
    for each in (OLDER, NEWEST):
        (tmp_path / "receipts/runs" / each).mkdir(parents=True)
    expected = set()
    for number, (name, record) in enumerate(PLACES.items()):
        sha256 = f"{number}" * 64
        file = ResultFile(filename="jw.fits", sha256=sha256, size=1, identity="1d" * 32)
        done = result("image2", "jw", file, key="4b" * 32)
        write(tmp_path / "receipts/runs" / run / name, record(done))
        expected.add(sha256)

    assert left(tmp_path) == expected
    write(RunFiles(tmp_path / "receipts/runs" / run).published, {})
    assert left(tmp_path) == frozenset()


# ---- which runs stay -----------------------------------------------------------------------------

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


def run_id(day: int) -> str:
    """The name of a run."""
    return f"2026030{day}T120000.000000Z-1"


def files(root: Path, day: int) -> RunFiles:
    """The records of a run, whose folder is made."""
    folder = root / "receipts/runs" / run_id(day)
    folder.mkdir(parents=True, exist_ok=True)
    return RunFiles(folder)


def removed(root: Path, published=(), **policy: float) -> list[int]:
    """The days of the runs whose records are removed."""
    needed = find_needed_by_runs(root, published, RetentionPolicy(**policy), NOW)
    return [int(name.rpartition("/")[2][7]) for name in needed.removable]


def test_the_newest_runs_stay_and_those_of_kept_generations(tmp_path):
    """At least one; those that are younger; none that is unknown."""
    for day in range(1, 7):
        files(tmp_path, day)

    assert removed(tmp_path) == removed(tmp_path, keep_last=0) == [1, 2, 3, 4, 5]
    assert removed(tmp_path, keep_last=1) == [1, 2, 3, 4, 5]
    assert removed(tmp_path, keep_last=3) == [1, 2, 3]
    assert removed(tmp_path, keep_days=4.0) == [1, 2, 3, 4, 5]
    assert removed(tmp_path, keep_days=4.1) == [1, 2, 3, 4]
    assert removed(tmp_path, [run_id(2), run_id(9)]) == [1, 3, 4, 5]


@pytest.mark.parametrize("name", ["published", "settling", "references"])
def test_the_newest_record_that_the_next_run_reads_stays(tmp_path, name):
    """Of a publication, of settling, and of references that were synced."""
    for day in range(1, 7):
        run = files(tmp_path, day)
        if day in (2, 3):
            context = CONTEXT if name == "references" else ""
            record = References(context=context, server="s", files={})
            write(getattr(run, name), record if name == "references" else {})
        write(run.references, References(context="", server="s", files={})) if day == 4 else None

    assert removed(tmp_path) == [1, 2, 4, 5]


def test_records_logs_and_work_of_ended_runs_are_removed(tmp_path):
    """Folders only; what is not named as a run is let be."""
    for day in (1, 2, 3):
        files(tmp_path, day)
    for folder in (f"logs/{run_id(1)}", f"logs/{run_id(4)}", "logs/notes", "work/thesis"):
        (tmp_path / folder).mkdir(parents=True)
    for day in (5, 4):
        (tmp_path / "work" / run_id(day)).mkdir()
    (tmp_path / "work/file").touch()
    (tmp_path / "receipts/runs/notes").mkdir()

    needed = find_needed_by_runs(tmp_path, (), RetentionPolicy(), NOW)

    assert needed.removable == (
        f"receipts/runs/{run_id(1)}",
        f"logs/{run_id(1)}",
        f"receipts/runs/{run_id(2)}",
        f"receipts/runs/{run_id(3)}",
        f"work/{run_id(4)}",
        f"work/{run_id(5)}",
    )


def test_a_mirror_without_runs_needs_nothing_for_them(tmp_path):
    """Nor has it anything to remove."""
    needed = find_needed_by_runs(tmp_path, (), RetentionPolicy(), NOW)

    assert (needed.unpublished, needed.arrived, needed.orders) == (frozenset(),) * 3
    assert needed.removable == ()


def test_what_was_held_back_stays_until_a_later_run_published(tmp_path):
    """Its files are in no generation."""
    for day in (1, 2):
        file = ResultFile(filename="a", sha256=str(day) * 64, size=1, identity="i")
        held = JudgedResult(
            recipe="deep", pipeline="p", product="x", key="k", files=(file,),
            quality=Quality(word="caveat"), is_published=False,
        )  # fmt: skip
        write(files(tmp_path, day).held_back, (held,))
        write(files(tmp_path, day).published, {})
    policy = RetentionPolicy(keep_last=5)

    assert find_needed_by_runs(tmp_path, (), policy, NOW).unpublished == {"2" * 64}
    write(files(tmp_path, 3).published, {})
    assert find_needed_by_runs(tmp_path, (), policy, NOW).unpublished == frozenset()


def test_what_arrived_for_orders_of_runs_that_stay_or_was_adopted_is_known(tmp_path):
    """Not what only ended runs ordered."""
    for day, order in ((1, "o1"), (2, "o2")):
        write(files(tmp_path, day).orders, Orders(products={order: ()}))
    for name in ("o1", "o2", "adopted.0123"):
        version = Version(product=product(), sha256=name[-1] * 64, size=1)
        write(tmp_path / f"receipts/fetch/{name}.json", Receipt(versions=(version,)))

    needed = find_needed_by_runs(tmp_path, (), RetentionPolicy(), NOW)

    assert needed.orders == {"o2"}
    assert needed.arrived == {"2" * 64, "3" * 64}


def test_a_stopped_run_needs_the_versions_that_its_changes_want(tmp_path):
    """Of that product and version, and not where nothing is to be fetched."""
    run, wanted = files(tmp_path, 1), product(checksum="1" * 32)
    other = product(checksum="2" * 32)
    versions = [Version(product=p, sha256=p.checksum * 2, size=1) for p in (wanted, other)]
    write(tmp_path / "receipts/fetch/o.json", Receipt(versions=tuple(versions)))
    change = Change(kind=NEW, product=wanted)
    write(run.poll, Poll(listings=(), changes=(change,)))
    assert left(tmp_path) == {"1" * 64}

    write(run.poll, Poll(listings=(), changes=(replace(change, kind=VANISHED),)))
    assert left(tmp_path) == frozenset()
