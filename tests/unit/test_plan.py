"""Plans: what is out of date and why, what is there, what waits, what is refused."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Failure, Reason, Where, canonical
from jwmirror.core.model.association import Associations, PassedOver
from jwmirror.core.model.plan import (
    NEVER_CALIBRATED,
    Invalidation,
    ReferenceFinding,
)
from jwmirror.pipeline.derivation import key_of
from jwmirror.planning.estimates import memory
from jwmirror.planning.inputs import available_files
from jwmirror.planning.plan import headers_and_pipelines
from tests.setup.plans import DEEP, PlanSources, chains, exposure, image2, image3, root, stages


def test_a_new_exposure_goes_through_both_stages():
    """Stage 2 takes the rate that stage 1 will make."""
    plan = PlanSources().plan([exposure(1)], image2(1))

    (chain,) = chains(plan)
    assert stages(plan) == [["detector1", "image2"]]
    assert chain.reasons == (NEVER_CALIBRATED,)
    assert chain.derivations[1].inputs[0].name == f"{root(1)}_rate.fits"
    assert chain.derivations[1].inputs[0].identity == ""
    assert chain.derivations[1].parameters == {"steps": {}}


def test_what_is_there_is_done_and_the_rest_starts_from_it():
    """A known stage 1 is not run again; stage 2 is bound to its rate."""
    sources = PlanSources()
    sources.make(chains(sources.plan([exposure(1)], image2(1)))[0], "rate", "rateints")

    plan = sources.plan([exposure(1)], image2(1))

    assert stages(plan) == [["image2"]]
    assert [result.pipeline for result in plan.done] == ["detector1"]
    assert chains(plan)[0].derivations[0].inputs[0].identity == f"id-{root(1)}_rate.fits"


def test_nothing_is_planned_when_all_is_there():
    """Both stages known: both done, no batch."""
    sources = PlanSources()
    sources.make(chains(sources.plan([exposure(1)], image2(1)))[0], "rate")
    sources.make(chains(sources.plan([exposure(1)], image2(1)))[0], "cal")

    plan = sources.plan([exposure(1)], image2(1))

    assert plan.batches == {}
    assert [result.pipeline for result in plan.done] == ["detector1", "image2"]


def test_a_change_is_told_and_its_way_back_costs_nothing():
    """A new context re-runs what it touches, with the reason; the old context finds all again."""
    sources = PlanSources()
    sources.make(chains(sources.plan([exposure(1)], Associations()))[0], "rate")

    sources.context = "jwst_0002.pmap"
    (chain,) = chains(sources.plan([exposure(1)], Associations()))
    sources.context = "jwst_0001.pmap"
    back = sources.plan([exposure(1)], Associations())

    (reason,) = chain.reasons
    assert str(reason) == (
        "detector1: reference flat: flat_of_jwst_0001.pmap -> flat_of_jwst_0002.pmap"
    )
    assert reason.stage == "detector1"
    assert back.batches == {}


FORMER = {"steps": {"jump": {"maximum_cores": None}}}  # parameters in an earlier key


def test_a_result_under_the_key_of_an_earlier_form_is_done():
    """It keeps that key, so the view and its provenance stay as they are."""
    sources = PlanSources(former=FORMER)
    (chain,) = chains(sources.plan([exposure(1)], Associations()))
    earlier = replace(chain.derivations[0], parameters=FORMER)
    sources.make(replace(chain, derivations=(earlier,)), "rate")

    plan = sources.plan([exposure(1)], Associations())

    assert chain.former == {"detector1": FORMER}
    assert (plan.batches, [done.key for done in plan.done]) == ({}, [key_of(earlier)])


def test_an_edited_hook_makes_a_result_out_of_date():
    """Same recipe, other source: calibrated again, and it says why."""
    sources = PlanSources(hook="5a" * 32)
    sources.make(chains(sources.plan([exposure(1)], Associations()))[0], "rate")

    sources.hook = "6b" * 32
    (chain,) = chains(sources.plan([exposure(1)], Associations()))

    (reason,) = chain.reasons
    assert str(reason) == "detector1: hook fixes.scale changed"
    assert (reason.old, reason.new, reason.cause) == ("5a" * 6, "6b" * 6, "code")


def test_a_lost_result_is_made_again_and_says_so():
    """Published under the same key, but its objects are gone."""
    sources = PlanSources()
    sources.make(chains(sources.plan([exposure(1)], Associations()))[0], "rate")
    sources.results.clear()

    (chain,) = chains(sources.plan([exposure(1)], Associations()))

    assert chain.reasons == (Reason("result", "lost", "to be recomputed"),)


def test_an_exposure_without_stage_2_association_waits():
    """Stage 1 goes on; the wait says what to add."""
    plan = PlanSources().plan([exposure(1)], Associations())

    assert stages(plan) == [["detector1"]]
    (wait,) = plan.waits
    assert (wait.recipe, wait.product, wait.cause) == ("deep", root(1), "association")
    assert "add asn to the products of program 1345" in wait.why


def test_an_exposure_that_own_associations_leave_out_waits_with_both_ways_out():
    """The recipe's own stage-2 associations stand in for MAST's: one of those would not help."""
    recipe = replace(DEEP, associations=("mine.json",))
    associations = Associations(chosen={"deep": image2(1).found})

    plan = PlanSources().plan([exposure(1), exposure(2)], associations, recipe)

    assert [
        (wait.product, wait.why.endswith("add one with this exposure")) for wait in plan.waits
    ] == [(root(2), True)]


def test_stages_of_the_recipe_decide():
    """A recipe of stage 1 asks for no association."""
    plan = PlanSources().plan([exposure(1)], Associations(), replace(DEEP, stages=(1,)))

    assert stages(plan) == [["detector1"]]
    assert plan.waits == ()


def test_one_bad_exposure_spoils_only_itself():
    """Refused by its header or by CRDS: listed as a failure, the others are planned."""
    refused = exposure(1, refusal="pixels were cut")
    unknown = exposure(2, "NRC_NOVELTY")

    plan = PlanSources().plan([refused, unknown, exposure(3)], image2(3))

    assert [chain.product for chain in chains(plan)] == [root(3)]
    (failure,), (wait,) = plan.failures, plan.waits
    assert (failure.product, failure.why, failure.cause) == (root(1), "pixels were cut", "input")
    assert "NRC_NOVELTY" in wait.why and wait.cause == "unsupported"


def test_an_exposure_without_header_is_refused_by_that():
    """Its type is not known; it is not said to have no pipeline."""
    plan = PlanSources().plan([exposure(1, header="")], image2(1))

    (failure,) = plan.failures
    assert (failure.why, failure.cause) == (f"the header of {root(1)} is unknown", "input")
    assert plan.waits == ()


BROKEN = [
    ("jw01345-o001_20260101t000000_image2_00001_asn.json", 2),
    ("jw01345-o001_20260101t000000_image3_00001_asn.json", 3),
    ("jw01345_20260101t000000_pool.csv", 2),
    ("mine.json", 3),
]


@pytest.mark.parametrize(("name", "stage"), BROKEN)
def test_a_damaged_association_is_told_once_with_its_stage(name, stage):
    """Its exposures are not left out without a word."""
    broken = Associations(broken=(Failure(name=name, message="it is torn"),))
    sources = PlanSources()

    waits = {
        2: sources.plan([exposure(1)], broken, replace(DEEP, stages=(1, 2))).waits,
        3: sources.plan_stage(3, available_files([exposure(1)]), broken).waits,
    }
    if name.endswith("_pool.csv"):
        waits[3] = ()  # with the first stage that needs it

    told = {number: [w for w in found if w.product == name] for number, found in waits.items()}
    assert [(wait.why, wait.cause) for wait in told[stage]] == [("it is torn", "association")]
    assert told[5 - stage] == []


def test_a_damaged_pool_is_told_by_the_first_stage_that_needs_it():
    """Of a recipe of stage 3 alone, that is stage 3; a recipe of stage 1 needs none."""
    broken = Associations(broken=(Failure(name=BROKEN[2][0], message="it is torn"),))
    sources, last = PlanSources(), replace(DEEP, stages=(3,))

    (wait, *_) = sources.plan_stage(3, available_files([]), broken, last).waits
    first = sources.plan([exposure(1)], broken, replace(DEEP, stages=(1,)))

    assert (wait.product, wait.cause) == (BROKEN[2][0], "association")
    assert first.waits == ()


def test_associations_that_are_passed_over_are_named_where_the_used_one_is():
    """Six of seven make a product of the same name of other exposures."""
    associations = image3(1)
    (used,) = associations.found
    others = tuple(f"jw01345-o001_20260101t000000_image3_0000{n}_asn.json" for n in range(2, 8))
    passed_over = (PassedOver(used=used.name, others=others), PassedOver(used="x", others=("y",)))
    associations = replace(associations, passed_over=passed_over)

    plan = PlanSources().plan_stage(3, available_files([exposure(1)]), associations)

    waits = [wait for wait in plan.waits if wait.cause == "association"]
    assert tuple(wait.product for wait in waits) == others
    assert used.name in waits[0].why and "6 of 7" in waits[0].why


def test_programs_without_associations_are_told_by_name():
    """A recipe that leaves out stage 1 has nothing to start from."""
    recipe = replace(DEEP, stages=(3,), programs=(1345, 7, 5))

    plan = PlanSources().plan_stage(3, available_files([exposure(1)]), image3(1), recipe)

    told = [w for w in plan.waits if w.product.startswith("program")]
    assert [(w.product, w.cause) for w in told] == [
        ("program 5", "association"),
        ("program 7", "association"),
    ]
    assert "starts with stage 3" in told[0].why and "of program 5" in told[0].why


@pytest.mark.parametrize(
    "recipe", [replace(DEEP, programs=(2,)), replace(DEEP, stages=(1,)), replace(DEEP, stages=(3,))]
)
def test_a_damaged_association_matters_to_recipes_that_need_it(recipe):
    """Not to other programs, nor to recipes without its stage."""
    broken = Associations(broken=(Failure(name=BROKEN[0][0], message="it is torn"),))

    plan = PlanSources().plan([exposure(1)], broken, recipe)

    assert [wait for wait in plan.waits if wait.why == "it is torn"] == []


def test_the_version_and_the_memory_of_a_plan_are_recorded():
    """Each recipe with its engine; a chain asks for what its largest stage needs."""
    big = canonical({"meta.exposure.type": "NRC_IMAGE", "meta.exposure.ngroups": 100})
    sources = PlanSources()

    plan = sources.plan([exposure(1), exposure(2, header=big)], image2(1, 2))

    small, large = chains(plan)
    assert plan.engines == {"deep": dict(sources.engine)}
    assert plan.context == sources.context
    assert 1e9 < small.memory < large.memory
    rate, cal = (memory.stage_bytes(each, big) for each in large.derivations)
    assert large.memory == max(rate, cal) == rate > cal


def test_a_gap_in_stage_2_leaves_stage_1():
    """What can be made is made; the gap is told."""
    plan = PlanSources(gaps={"image2"}).plan([exposure(1)], image2(1))

    assert stages(plan) == [["detector1"]]
    assert "has no flat reference" in plan.failures[0].why


def test_a_retracted_reference_is_refused_where_it_is_planned():
    """The steps and the ways out are in the message; nothing of the exposure is computed."""
    retracted = ReferenceFinding(name="flat_of_c", kind="retracted", message="")

    plan = PlanSources(context="c", findings=(retracted,)).plan([exposure(1)], image2(1))

    assert plan.batches == {}
    assert "flat_of_c of c, used by" in plan.failures[0].why
    assert "declared invalid by CRDS" in plan.failures[0].why


def test_an_invalidated_result_is_computed_again_for_the_reason_given():
    """Its key is the one of before, so that nothing else differs."""
    sources = PlanSources()
    (chain,) = chains(sources.plan([exposure(1)], Associations()))
    sources.make(chain, "rate")
    key, _ = sources.results.popitem()
    sources.marks[key] = Invalidation(key=key, because="bad flat", at="2026-03-01T12:00:00+00:00")

    (again,) = chains(sources.plan([exposure(1)], Associations()))

    assert again.derivations == chain.derivations
    assert [reason.what for reason in again.reasons] == [
        "detector1: invalidated on 2026-03-01: bad flat"
    ]


def test_guiders_have_a_pipeline_of_their_own():
    """No stage 2, and no waiting for it."""
    plan = PlanSources().plan([exposure(1, "FGS_ACQ1")], Associations())

    assert stages(plan) == [["guider"]]
    assert plan.waits == ()


def test_other_programs_are_left_alone():
    """A recipe takes the programs that it names."""
    plan = PlanSources().plan([exposure(1)], image2(1), replace(DEEP, programs=(2,)))

    assert (plan.batches, plan.done, plan.waits, plan.failures) == ({}, (), (), ())


def test_a_tie_of_where_blocks_refuses_just_the_exposures_that_it_touches():
    """A conflict that only one exposure meets."""

    def block(value: int, **match: str) -> Where:
        return Where(match=match, parameters={"detector1": {"jump": {"edge_size": value}}})

    tied = replace(DEEP, where=(block(1, detector="NRCB1"), block(2, exp_type="MIR_IMAGE")))

    plan = PlanSources().plan([exposure(1), exposure(2, "MIR_IMAGE")], image2(1, 2), tied)

    assert [chain.product for chain in chains(plan)] == [root(1)]
    assert "equally specific" in plan.failures[0].why


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (16, [16]), (17, [8, 9]), (0, [])])
def test_batches_are_even_and_not_too_large(count, sizes):
    """17 exposures at 16 a batch are 8 and 9."""
    plan = PlanSources().plan([exposure(n) for n in range(count)], Associations())

    assert sorted(len(batch) for batch in plan.batches.values()) == sizes


def test_recipes_of_one_exposure_share_a_batch_and_their_order():
    """Equal keys of two recipes are then computed once."""
    quick = replace(DEEP, name="quick", stages=(1,))

    plan = PlanSources().plan([exposure(1), exposure(2)], image2(1, 2), DEEP, quick)

    (batch,) = plan.batches.values()
    assert [(chain.product, chain.recipe) for chain in batch] == [
        (root(n), recipe) for n in (1, 2) for recipe in ("deep", "quick")
    ]
    assert batch[0].derivations[0] == batch[1].derivations[0]


def test_a_batch_is_named_by_its_work():
    """The same work has the same name, other work another."""
    sources = PlanSources()
    one, same, other = (
        list(sources.plan([exposure(n)], Associations()).batches) for n in (1, 1, 2)
    )

    assert one == same != other


def test_what_references_are_wanted_for():
    """Each header once, with the pipelines of its type and of its mosaic that the recipe runs."""
    both = Associations(found=image2(1).found + image3(1).found)
    entries = [exposure(1), exposure(2, "FGS_ACQ1")]

    asked = headers_and_pipelines(entries, both, [DEEP])
    only_first = headers_and_pipelines(entries, both, [replace(DEEP, stages=(1,))])

    assert asked == (
        (exposure(1).header, ("detector1", "image2", "image3")),
        (exposure(2, "FGS_ACQ1").header, ("guider",)),
    )
    assert [names for _, names in only_first] == [("detector1",), ("guider",)]


def test_refused_exposures_want_no_references():
    """An exposure without a header that can be believed is not asked about."""
    refused = exposure(1, header="", refusal="pixels were cut")

    assert headers_and_pipelines([refused], Associations(), [DEEP]) == ()
