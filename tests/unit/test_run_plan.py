"""Plans of one mirror: levels are planned upon each other, and never upon another state."""

import time
from dataclasses import replace

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Plan, Poll, Receipt, References, SettleResult, Wait
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import JobLimits
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.services.run.holdings import Holdings
from jwmirror.services.run.plan import SHOWN, LevelPlanner, plan_recalibration, warnings_of
from jwmirror.services.run.results import ResultStore
from tests.setup.plans import DEEP, MOSAIC, PlanSources, exposure, image2, image3
from tests.setup.records import result

EMPTY = Holdings(entries=(), associations=Associations())
OLDER = {**engine_versions(), "jwst": "1.20.2"}
BELOW = Plan(context="jwst_0001.pmap", engines={"deep": engine_versions()}, batches={})


def planned_after(below, mirror):
    """The plans of an empty mirror after these levels."""
    planner = LevelPlanner(EMPTY, [DEEP], PlanSources().resolvers, ResultStore(mirror.root))
    return planner.plan_levels(below)


@pytest.mark.parametrize(
    ("context", "engines"), [("jwst_0002.pmap", engine_versions()), ("jwst_0001.pmap", OLDER)]
)
def test_levels_of_two_states_are_not_put_together(empty_mirror, context, engines):
    """CRDS or jwst changed between the plans of two levels: members would be of both."""
    below = replace(BELOW, context=context, engines={"deep": engines})

    with pytest.raises(CalibrationError, match="recipe deep: the levels below were planned with"):
        planned_after([below], empty_mirror)


def test_levels_of_one_state_are(empty_mirror):
    """The next two follow at once where there is nothing to compute."""
    plans = planned_after([BELOW], empty_mirror)

    assert [plan.context for plan in plans] == ["jwst_0001.pmap"] * 2


def test_what_a_later_level_refuses_is_known_before_the_first_job(empty_mirror):
    """Mosaics that cannot be made are reported when the exposures are planned, and once."""
    resolvers = PlanSources(gaps={"image3"}).resolvers
    associations = Associations(found=(*image2(1, 2).found, *image3(1, 2).found))
    holdings = Holdings(entries=(exposure(1), exposure(2)), associations=associations)
    planner = LevelPlanner(holdings, [DEEP], resolvers, ResultStore(empty_mirror.root))

    plans = planner.plan_levels()
    later = planner.plan_levels(plans, is_preview=True)
    (refused,) = (wait for plan in later for wait in plan.failures)

    assert [plan.failures for plan in plans] == [()]
    assert (refused.product, refused.why) == (
        MOSAIC,
        "image3: jwst_0001.pmap has no flat reference",
    )
    assert planner.plan_levels([*plans] * 3, is_preview=True) == ()


def test_warnings_say_what_will_fail_and_the_rest_is_counted():
    """A mirror may have thousands of mosaics that fit no partition, and a terminal 24 lines."""
    refused = [Wait("deep", f"mosaic{n}", "no flat reference") for n in range(SHOWN + 2)]
    few, many = (replace(BELOW, failures=tuple(waits)) for waits in (refused[:2], refused))

    assert warnings_of([BELOW], [few], JobLimits()) == [
        "deep/mosaic0 will fail: no flat reference",
        "deep/mosaic1 will fail: no flat reference",
    ]
    *shown, last = warnings_of([BELOW], [many], JobLimits())
    assert len(shown) == SHOWN and last == "... and 2 more; `jwmirror plan --all` lists them"


def test_a_level_waits_for_what_the_jobs_below_it_have_stored(empty_mirror):
    """A shared file system may show it here later; what is not seen would be computed again."""
    late = Receipt(results=(result("detector1", "x", key="ab" * 32),), computed=("ab" * 32,))
    began = time.monotonic()

    plan_recalibration(
        mirror=empty_mirror.root,
        cache=empty_mirror.root / "no cache",
        recipes=[],
        limits=JobLimits(),
        poll=Poll(listings=(), changes=()),
        settling=SettleResult(),
        references=References(context="", server="", files={}),
        below=[BELOW],
        ahead=[],
        receipts=[late],
        latency_s=0.3,
    )

    assert time.monotonic() - began >= 0.3


def test_plans_made_in_advance_are_taken_one_by_one(empty_mirror):
    """What the level below planned in the same process is not planned again."""
    third = replace(BELOW, context="jwst_0003.pmap")

    planned = plan_recalibration(
        mirror=empty_mirror.root,
        cache=empty_mirror.root / "no cache",
        recipes=[DEEP],
        limits=JobLimits(),
        poll=Poll(listings=(), changes=()),
        settling=SettleResult(),
        references=References(context="", server="", files={}),
        below=[BELOW],
        ahead=[BELOW, third],
        receipts=[],
    )

    assert (planned.plan, planned.ahead, planned.warnings) == (BELOW, (third,), ())
