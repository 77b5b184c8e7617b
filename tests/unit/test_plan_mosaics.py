"""Plans of stage 3: a mosaic of the recipe's own results, all of them, or it waits."""

from dataclasses import replace

import pytest
from jwst.lib.exposure_types import is_moving_target

from jwmirror.core.model import (
    Failure,
    Plan,
    Reason,
    Recipe,
    Result,
    ResultFile,
    Wait,
    canonical,
    parse,
)
from jwmirror.core.model.association import Associations
from jwmirror.core.model.sky.slices import CatalogueCone, GaiaSlice, GaiaSlices, mosaic_field
from jwmirror.planning.alignment import aligned_mosaics
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

    name = f"{root(1)}_cal.fits"
    what = f"image3: science content of {name}"
    assert chain.reasons == (Reason(what, "id-1", "id-new", "image3", "inputs", name),)


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


# ---- slices of Gaia --------------------------------------------------------------------------

MEMBERS = tuple(f"{root(number)}_cal.fits" for number in (2, 1))
ALIGNED = Recipe(
    name="deep",
    programs=(1345,),
    parameters={"image3": {"steps": {"tweakreg": {"abs_refcat": "GAIADR3"}}}},
)


def gaia_slice(sha256: str) -> GaiaSlice:
    """A slice with the content of this sha256."""
    cone = CatalogueCone(catalogue="GAIADR3", ra=80.0, dec=-69.5, radius=0.08, epoch=2025.885)
    return GaiaSlice(cone=cone, sha256=sha256, size=1, stars=1, url="", fetched_at="")


def aligned_mosaic(slices: GaiaSlices, sources: PlanSources | None = None) -> Plan:
    """The plan of a mosaic that is aligned to Gaia."""
    sources = sources or PlanSources()
    sources.slices = slices
    available = available_files([exposure(1), exposure(2)], [cal(1), cal(2)])
    return sources.plan_stage(3, available, image3(2, 1), ALIGNED)


def test_a_slice_is_a_reference_of_the_mosaic():
    """By its content; a mosaic of another slice has another key, and this is its reason."""
    name, sources = mosaic_field("GAIADR3", MEMBERS), PlanSources()
    (first,) = chains(aligned_mosaic(GaiaSlices(found={name: gaia_slice("5a" * 32)}), sources))
    sources.make(first, "i2d")

    same = aligned_mosaic(GaiaSlices(found={name: gaia_slice("5a" * 32)}), sources)
    (changed,) = chains(aligned_mosaic(GaiaSlices(found={name: gaia_slice("6b" * 32)}), sources))

    stored = "gaiadr3_80.0000_-69.5000_2025.885.csv"
    assert first.derivations[0].references["tweakreg.abs_refcat"] == (stored, "5a" * 32)
    assert not chains(same) and len(same.done) == 1
    (reason,) = changed.reasons
    assert reason.what == f"image3: reference tweakreg.abs_refcat: content of {stored}"
    assert (reason.old, reason.new) == ("5a5a5a5a", "6b6b6b6b")


def test_a_mosaic_without_its_slice_waits():
    """The service was down, or the slice was never fetched; it is not refused."""
    down = GaiaSlices(missing={mosaic_field("GAIADR3", MEMBERS): "the service is down"})

    plans = [aligned_mosaic(slices) for slices in (down, GaiaSlices())]

    whys = ["the service is down", "its slice was not fetched yet; the next run fetches it"]
    for plan, why in zip(plans, whys, strict=True):
        assert plan.batches == {} and plan.failures == ()
        assert plan.waits == (Wait("deep", MOSAIC, f"alignment to GAIADR3: {why}", "catalogue"),)


@pytest.mark.parametrize("kind", ["MOVING", "moving", "FIXED", "GENERIC", None])
def test_a_mosaic_of_a_moving_target_needs_no_slice(kind):
    """jwst does not align it to stars, and decides by the first member."""
    header = canonical({"meta.target.type": kind} if kind else {"meta.exposure.type": "NRC_IMAGE"})
    available = available_files([exposure(1), exposure(2, header=header)], [cal(1), cal(2)])
    sources = PlanSources()

    is_moving = is_moving_target({"meta.target.type": kind})
    queried = list(aligned_mosaics(available, image3(2, 1), [ALIGNED], sources.resolvers))
    plan = sources.plan_stage(3, available, image3(2, 1), ALIGNED)

    assert bool(queried) == bool(plan.waits) == (not is_moving)
    assert [chain.derivations[0].references.keys() for chain in chains(plan)] == (
        [{"flat"}] if is_moving else []
    )


def test_keys_without_gaia_do_not_depend_on_slices():
    """They stay as they were."""
    name = mosaic_field("GAIADR3", MEMBERS)
    with_slices = PlanSources(slices=GaiaSlices(found={name: gaia_slice("5a" * 32)}))
    results = [cal(1), cal(2)]

    assert mosaic(with_slices, results) == mosaic(PlanSources(), results)
