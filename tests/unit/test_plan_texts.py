"""The fields and texts of plans: what each says."""

from dataclasses import replace

import pytest
from msgspec import structs

from jwmirror.core.errors import CalibrationError, ReferencesError
from jwmirror.core.model import Derivation, Failure, Input, Reason, Wait, Where
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import (
    INPUTS_RECOMPUTED,
    NEVER_CALIBRATED,
    Invalidation,
)
from jwmirror.pipeline.derivation import key_of
from jwmirror.pipeline.ramps import ramp_derivation
from jwmirror.planning.inputs import available_files
from jwmirror.planning.plan import headers_and_pipelines
from tests.setup import records
from tests.setup.plans import DEEP, PlanSources, chains, exposure, image2, image3, root, stages
from tests.setup.records import association
from tests.unit.test_plan import FORMER

# ---- each field and each text ----------------------------------------------------------------


def test_a_chain_has_what_its_recipe_and_its_exposure_say():
    """Field by field; its memory is that of its largest stage."""
    recipe = replace(DEEP, keep=("ramp",), python="/envs/new/bin/python")
    other = replace(exposure(1), product=structs.replace(exposure(1).product, observation="o007"))

    (chain,) = chains(PlanSources(former=FORMER).plan([other], image2(1), recipe))

    assert (chain.recipe, chain.program, chain.observation) == ("deep", 1345, "o007")
    assert (chain.product, chain.keep, chain.python) == (root(1), recipe.keep, recipe.python)
    assert chain.former == {"detector1": FORMER, "image2": FORMER}


def test_a_derivation_is_made_of_what_is_resolved():
    """The raw exposure by its identity, parameters of where-blocks, references, hooks, engine."""
    block = Where(match={"detector": "NRCB1"}, parameters={"detector1": {"save_results": True}})
    sources = PlanSources(hook="5a")

    (chain,) = chains(sources.plan([exposure(1)], Associations(), replace(DEEP, where=(block,))))

    assert chain.derivations == (
        Derivation(
            pipeline="detector1",
            product=root(1),
            engine=dict(sources.engine),
            inputs=(
                Input(
                    name=f"{root(1)}_uncal.fits",
                    role="science",
                    identity="identity-1",
                    sha256=f"{1:064d}",
                ),
            ),
            parameters={"save_results": True, "steps": {}},
            references={"flat": ("flat_of_jwst_0001.pmap", "5a")},
            hooks=(("fixes.scale", "5a"),),
        ),
    )


@pytest.mark.parametrize(("keep", "is_made", "count"), [
    (("ramp",), True, 2), (("ramp",), False, 1), ((), True, 1),
])  # fmt: skip
def test_a_kept_ramp_is_done_with_its_rate(keep, is_made, count):
    """If the recipe keeps ramps, and there is one."""
    sources, recipe = PlanSources(), replace(DEEP, stages=(1,), keep=keep)
    (chain,) = chains(sources.plan([exposure(1)], Associations(), recipe))
    rate = sources.make(chain, "rate")
    ramp = ramp_derivation(chain.derivations[0])
    if is_made:
        sources.results[key_of(ramp)] = rate

    done = sources.plan([exposure(1)], Associations(), recipe).done

    assert [each.key for each in done] == [key_of(chain.derivations[0]), key_of(ramp)][:count]
    assert {(each.recipe, each.program, each.observation) for each in done} == {
        ("deep", 1345, "o001")
    }


def test_a_stage_whose_input_was_not_made_is_a_failure():
    """What is done stays done, and nothing is planned of the rest."""
    sources = PlanSources()
    sources.make(chains(sources.plan([exposure(1)], image2(1)))[0], "rateints")

    plan = sources.plan([exposure(1)], image2(1))

    why = f"image2 of {root(1)} needs {root(1)}_rate.fits; the stage before it made "
    assert [(w.product, w.cause, w.why) for w in plan.failures] == [
        (root(1), "input", f"{why}['{root(1)}_rateints.fits'].")
    ]
    assert (len(plan.done), plan.batches) == (1, {})


def test_a_new_stage_beside_a_published_one_is_a_reason():
    """Only an exposure of which nothing is published is new as a whole."""
    sources = PlanSources()
    sources.make(chains(sources.plan([exposure(1)], image2(1)))[0], "rate")

    (chain,) = chains(sources.plan([exposure(1)], image2(1)))
    sources.context = "jwst_0002.pmap"
    (both,) = chains(sources.plan([exposure(1)], image2(1)))

    assert chain.reasons == (NEVER_CALIBRATED,)
    assert [reason.what for reason in both.reasons] == ["detector1: reference flat", "image2: new"]
    assert both.reasons[1] == Reason("image2: new", "", "", "image2")


def test_recomputed_inputs_are_a_reason():
    """Of a mosaic of which a member is computed in the same run."""
    sources = PlanSources()
    associations = Associations(found=(*image2(1).found, *image3(1).found))
    exposures = chains(sources.plan([exposure(1)], associations))
    available = available_files([exposure(1)], assumed_done=exposures)
    new = chains(sources.plan_stage(3, available, associations))[0]
    sources.derivations["deep", new.product, "image3"] = new.derivations[0]

    (chain,) = chains(sources.plan_stage(3, available, associations))

    assert (new.reasons, chain.reasons) == ((NEVER_CALIBRATED,), (INPUTS_RECOMPUTED,))


def test_an_invalidation_without_a_reason_has_its_date():
    """Of each stage that was computed before; one that is not marked was lost."""
    sources = PlanSources()
    (chain,) = chains(sources.plan([exposure(1)], Associations()))
    sources.make(chain, "rate")
    (key,) = sources.results
    sources.results.clear()
    sources.marks[key] = Invalidation(key=key, because="", at="2026-03-01T12:00:00+00:00")

    (again,) = chains(sources.plan([exposure(1)], Associations()))

    assert again.reasons == (Reason("detector1: invalidated on 2026-03-01", "", "", "detector1"),)


@pytest.mark.parametrize(
    ("error", "cause"),
    [(CalibrationError("no flat"), "request"), (ReferencesError("not in the cache"), "references")],
)
def test_a_failure_has_the_cause_of_its_error(monkeypatch, error, cause):
    """References that are missing in the cache are not the request's mistake."""
    sources = PlanSources()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(sources, "resolve", fail)

    plan = sources.plan([exposure(1)], image2(1))

    assert plan.failures == (Wait("deep", root(1), str(error), cause),)
    assert plan.engines == {}


def test_texts_of_what_waits_are_complete():
    """With what to do."""
    recipe = replace(DEEP, associations=("mine.json",))
    unknown = exposure(2, "NRC_NOVELTY")

    plain = PlanSources().plan([exposure(1), unknown], Associations())
    own = PlanSources().plan([exposure(1)], Associations(), recipe)
    start = PlanSources().plan_stage(
        2, available_files([]), Associations(), replace(DEEP, stages=(2,))
    )

    why = (
        f"no stage-2 association with {root(1)}_rate.fits is mirrored; add asn to the products of "
        "program 1345"
    )
    novelty = "jwst has no pipeline for exposures of type NRC_NOVELTY; it is mirrored"
    further = "; if the recipe names stage-2 association files, add one with this exposure"
    nothing = (
        "the recipe starts with stage 2, and no association of that stage is mirrored; add asn or "
        "pool to the products of program 1345"
    )
    assert plain.waits == (
        Wait("deep", root(1), why, "association"),
        Wait("deep", root(2), novelty, "unsupported"),
    )
    assert own.waits == (Wait("deep", root(1), why + further, "association"),)
    assert start.waits == (Wait("deep", "program 1345", nothing, "association"),)


def test_companions_have_no_stage_2_and_the_others_go_on():
    """A background of another exposure; the exposure after a refused one is planned."""
    one = association("spec2", root(3), f"{root(3)}_rate.fits", f"background:{root(2)}_rate.fits")
    entries = [exposure(1, refusal="cut"), *(exposure(n, "NRS_IFU") for n in (2, 3, 4))]

    plan = PlanSources().plan(entries, Associations(found=(one,)))

    assert [chain.product for chain in chains(plan)] == [root(2), root(3), root(4)]
    assert [wait.product for wait in plan.waits] == [root(4)]


def test_an_exposure_that_is_alone_and_with_others_is_calibrated_alone():
    """In the plan of exposures; the association of several is of the next level."""
    wide = association("image2", "wide", f"{root(1)}_rate.fits", f"{root(2)}_rate.fits")
    both = Associations(found=(wide, *image2(1).found))
    rates = [records.result("detector1", root(n), records.result_file(f"{root(n)}_rate.fits"))
             for n in (1, 2)]  # fmt: skip
    entries = [exposure(1), exposure(2)]

    first = PlanSources().plan(entries, both)
    second = PlanSources().plan_stage(2, available_files(entries, rates), both)

    assert stages(first) == [["detector1", "image2"], ["detector1"]]
    assert [chain.product for chain in chains(second)] == ["wide"]


def test_all_recipes_ask_for_references_of_one_header_together():
    """Each pipeline once, in the order in which they are needed."""
    both = Associations(found=image2(1).found + image3(1).found)
    recipes = [replace(DEEP, name=str(n), stages=(n,)) for n in (3, 1, 2)]

    asked = headers_and_pipelines([exposure(1), exposure(2, "NRC_NOVELTY")], both, recipes)

    assert asked == ((exposure(1).header, ("image3", "detector1", "image2")),)


@pytest.mark.parametrize(
    ("name", "stages", "told_at"),
    [
        ("jw01345-o001_20260101t000000_spec2_00001_asn.json", (1, 2, 3), 2),
        ("jw01345-o001_20260101t000000_tso3_00001_asn.json", (1, 2, 3), 3),
        ("jw01345_20260101t000000_pool.csv", (1, 3), 3),
        ("jw01345_20260101t000000_pool.csv", (1,), None),
        ("jw01346_20260101t000000_pool.csv", (1, 2, 3), None),
        ("mine_image2_00001_asn.json", (1, 2, 3), 2),
    ],
)
def test_a_damaged_file_is_told_at_one_stage(name, stages, told_at):
    """Of the recipe's programs, and those that name none."""
    broken = Associations(broken=(Failure(name=name, message="torn"),))
    recipe, sources = replace(DEEP, stages=stages), PlanSources()

    waits = {
        2: sources.plan([], broken, recipe).waits,
        3: sources.plan_stage(3, available_files([]), broken, recipe).waits,
    }

    torn = Wait("deep", name, "torn", "association")
    assert [stage for stage, found in waits.items() if torn in found] == (
        [told_at] if told_at else []
    )


def test_a_recipe_without_stages_plans_nothing():
    """The schema refuses it; a plan does not end with an error."""
    plan = PlanSources().plan_stage(3, available_files([]), image3(1), replace(DEEP, stages=()))

    assert (plan.batches, plan.waits, plan.failures) == ({}, (), ())
