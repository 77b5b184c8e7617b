"""What stopped runs left: what their receipts refer to, level by level, is not published yet."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jwmirror.core.model import Plan, Receipt, ResultFile, write
from jwmirror.core.model.plan import PlansAhead
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.run_cleanup import find_needed_by_runs
from jwmirror.store.runs import RunFiles
from tests.setup.records import result

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
