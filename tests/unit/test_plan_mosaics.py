"""Plans of stage 3: a mosaic of the recipe's own results, all of them, or it waits."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Failure, Plan, Reason, Result, ResultFile, Wait, canonical, parse
from jwmirror.core.model.association import Associations
from jwmirror.planning.inputs import available_files, why_missing
from tests.setup.plans import MOSAIC, PlanSources, chains, exposure, image3, root
from tests.setup.records import result


def cal(number: int, recipe: str = "deep") -> Result:
    """The result of stage 2 of an exposure."""
    name = f"{root(number)}_cal.fits"
    file = ResultFile(filename=name, sha256=f"sha-{number}", size=1, identity=f"id-{number}")
    return result("image2", root(number), file, recipe=recipe)


def mosaic(sources: PlanSources, results: list[Result], *problems: Wait | Failure) -> Plan:
    """The plan of a mosaic of exposures 2 and 1, in this order."""
    entries = [exposure(1), exposure(2)]
    return sources.plan_stage(3, available_files(entries, results, problems), image3(2, 1))


def test_a_mosaic_takes_the_recipes_results_in_the_order_of_the_association():
    """Names, order and content of the members."""
    (chain,) = chains(mosaic(PlanSources(), [cal(1), cal(2)]))

    assert [item.identity for item in chain.derivations[0].inputs] == ["id-2", "id-1"]
    assert (chain.product, chain.observation) == (MOSAIC, "o001")


def test_a_known_mosaic_is_done():
    """Same members, same key."""
    sources = PlanSources()
    sources.make(chains(mosaic(sources, [cal(1), cal(2)]))[0], "i2d")

    plan = mosaic(sources, [cal(2), cal(1)])

    assert plan.batches == {}
    assert [result.product for result in plan.done] == [MOSAIC]


def test_a_changed_member_is_the_reason():
    """The reason names the member."""
    sources = PlanSources()
    sources.make(chains(mosaic(sources, [cal(1), cal(2)]))[0], "i2d")
    files = (replace(cal(1).files[0], identity="id-new"),)

    (chain,) = chains(mosaic(sources, [replace(cal(1), files=files), cal(2)]))

    what = f"image3: science content of {root(1)}_cal.fits"
    assert chain.reasons == (Reason(what, "id-1", "id-new", "image3", "inputs"),)


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (Failure(name="x", message="no groups left", recipe="deep", product=root(1)), "failed"),
        (Wait(recipe="deep", product=root(1), why="no groups left", cause="request"), "request"),
    ],
)
def test_a_mosaic_waits_for_a_missing_member_and_says_why(problem, cause):
    """Never made from fewer members than it has; the cause is the member's."""
    plan = mosaic(PlanSources(), [cal(2)], problem)

    assert plan.batches == {}
    (wait,) = plan.waits
    assert (wait.product, wait.member, wait.cause) == (MOSAIC, f"{root(1)}_cal.fits", cause)
    assert wait.why == f"member {root(1)}_cal.fits is missing: no groups left"
    assert why_missing(wait) == "no groups left"


def test_a_failure_that_an_earlier_version_recorded_has_no_product():
    """Its text is not taken apart: the mosaic waits without the failure's message."""
    plan = mosaic(PlanSources(), [cal(2)], Failure(name=f"deep/{root(1)}", message="no groups"))

    assert plan.waits[0].why.endswith(f"the recipe made nothing of {root(1)}_uncal.fits")


def test_members_of_another_recipe_do_not_count():
    """No mixture of recipes."""
    plan = mosaic(PlanSources(), [cal(1, "quick"), cal(2)])

    assert plan.batches == {}
    assert f"the recipe made nothing of {root(1)}_uncal.fits" in plan.waits[0].why


def test_a_broken_association_waits():
    """It is told once, for the stage that it is for."""
    name = "jw01345-o001_20260101t000000_image3_00001_asn.json"
    broken = Associations(broken=(Failure(name=name, message="no JSON"),))
    sources = PlanSources()

    second = sources.plan([], broken)
    third = sources.plan_stage(3, available_files([]), broken)

    assert second.waits == ()
    assert third.waits == (Wait(recipe="deep", product=name, why="no JSON", cause="association"),)


def test_records_without_a_cause_are_read_and_written_as_an_earlier_version_did():
    """The new fields have defaults, and are left out of the file while they have them."""
    wait = '{"product":"p","recipe":"deep","why":"w"}'
    reason = '{"new":"5","old":"4","what":"detector1: jump.threshold"}'

    assert canonical(parse(wait, Wait)) == wait
    assert canonical(parse(reason, Reason)) == reason
    assert (parse(wait, Wait).cause, parse(reason, Reason).stage) == ("", "")
