"""Plans: what is out of date and why, what is there, what waits, what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jwmirror.errors import CalibrationError
from jwmirror.recalibrate.associations import Association, Associations, Member
from jwmirror.recalibrate.derivation import engine, key_of
from jwmirror.recalibrate.members import Stock, stock_of
from jwmirror.recalibrate.plan import plan_associations, plan_exposures, wanted
from jwmirror.recalibrate.references import Settled
from jwmirror.records import (
    Chain,
    Derivation,
    Entry,
    Failure,
    Plan,
    Product,
    Reason,
    Recipe,
    Result,
    ResultFile,
    Wait,
    Where,
    canonical,
)

DEEP = Recipe(name="deep", programs=(1345,))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w"


def root(number: int) -> str:
    """The name of an exposure without its suffix."""
    return f"jw01345001001_02101_{number:05d}_nrcb1"


def exposure(number: int, exp_type: str = "NRC_IMAGE", **changes: object) -> Entry:
    """A manifest row of a raw exposure."""
    filename = f"{root(number)}_uncal.fits"
    entry = Entry(
        path=f"upstream/jw01345/o001/{filename}",
        origin="upstream",
        sha256=f"{number:064d}",
        size=1,
        identity=f"identity-{number}",
        header=canonical({"meta.exposure.type": exp_type, "meta.instrument.detector": "NRCB1"}),
        product=Product(
            uri=filename, filename=filename, program=1345, observation="o001", suffix="uncal"
        ),
    )
    return replace(entry, **changes)


def association(kind: str, product: str, *members: str) -> Association:
    """An association of science exposures."""
    return Association(
        name=f"{product}_{kind}_asn.json",
        asn_type=kind,
        program=1345,
        candidate="o001",
        product=product,
        members=tuple(Member(name=name, exptype="science") for name in members),
    )


def image2(*numbers: int) -> Associations:
    """The stage-2 associations of exposures."""
    found = [association("image2", root(n), f"{root(n)}_rate.fits") for n in numbers]
    return Associations(found=tuple(found))


def image3(*numbers: int) -> Associations:
    """One mosaic of exposures."""
    return Associations(
        found=(association("image3", MOSAIC, *(f"{root(n)}_cal.fits" for n in numbers)),)
    )


@dataclass
class Observatory:
    """What a plan looks up: references by one context, results made, what is published."""

    context: str = "jwst_0001.pmap"
    hook: str = ""  # sha256
    gaps: set[str] = field(default_factory=set)  # pipelines
    results: dict[str, tuple[ResultFile, ...]] = field(default_factory=dict)
    derivations: dict[tuple[str, str, str], Derivation] = field(default_factory=dict)

    @property
    def engine(self):
        """The versions that are installed."""
        return engine()

    def within(self, python):
        """Of all environments the same."""
        return self

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """Parameters as overridden, and a flat that goes with the context."""
        if pipeline in self.gaps:
            raise CalibrationError(f"{pipeline}: {self.context} has no flat reference")
        flat = (f"flat_of_{self.context}", "5a")
        hooks = (("fixes.scale", self.hook),) if self.hook else ()
        return Settled(parameters=dict(asked), references={"flat": flat}, hooks=hooks)

    def published(self, recipe: str, product: str, pipeline: str) -> Derivation | None:
        """How the published result was made."""
        return self.derivations.get((recipe, product, pipeline))

    def make(self, chain: Chain, *suffixes: str) -> tuple[ResultFile, ...]:
        """Compute and publish the first stage of a chain."""
        made = chain.derivations[0]
        names = [f"{made.product}_{suffix}.fits" for suffix in suffixes]
        files = tuple(
            ResultFile(filename=name, sha256=f"sha-{name}", size=1, identity=f"id-{name}")
            for name in names
        )
        self.results[key_of(made)] = files
        self.derivations[chain.recipe, made.product, made.pipeline] = made
        return files

    def plan(self, entries: list[Entry], associations: Associations, *recipes: Recipe) -> Plan:
        """The plan of exposures."""
        lookups = (self, self.results.get, self.published)
        return plan_exposures(entries, associations, recipes or (DEEP,), *lookups, 16)

    def plan_stage(
        self, stage: int, stock: Stock, associations: Associations, recipe: Recipe = DEEP
    ) -> Plan:
        """The plan of a stage's associations."""
        lookups = (self, self.results.get, self.published)
        return plan_associations(stock, associations, [recipe], *lookups, 16, stage)


def chains(plan: Plan) -> list[Chain]:
    """All chains of a plan."""
    return [chain for batch in plan.batches.values() for chain in batch]


def stages(plan: Plan) -> list[list[str]]:
    """The pipelines of each chain."""
    return [[derivation.pipeline for derivation in chain.derivations] for chain in chains(plan)]


def test_a_new_exposure_goes_through_both_stages():
    """Stage 2 takes the rate that stage 1 will make."""
    plan = Observatory().plan([exposure(1)], image2(1))

    (chain,) = chains(plan)
    assert stages(plan) == [["detector1", "image2"]]
    assert chain.reasons == (Reason("new", "", ""),)
    assert chain.derivations[1].inputs[0].name == f"{root(1)}_rate.fits"
    assert chain.derivations[1].inputs[0].identity == ""


def test_what_is_there_is_done_and_the_rest_starts_from_it():
    """A known stage 1 is not run again; stage 2 is bound to its rate."""
    site = Observatory()
    site.make(chains(site.plan([exposure(1)], image2(1)))[0], "rate", "rateints")

    plan = site.plan([exposure(1)], image2(1))

    assert stages(plan) == [["image2"]]
    assert [result.pipeline for result in plan.done] == ["detector1"]
    assert chains(plan)[0].derivations[0].inputs[0].identity == f"id-{root(1)}_rate.fits"


def test_nothing_is_planned_when_all_is_there():
    """Both stages known: both done, no batch."""
    site = Observatory()
    site.make(chains(site.plan([exposure(1)], image2(1)))[0], "rate")
    site.make(chains(site.plan([exposure(1)], image2(1)))[0], "cal")

    plan = site.plan([exposure(1)], image2(1))

    assert plan.batches == {}
    assert [result.pipeline for result in plan.done] == ["detector1", "image2"]


def test_a_change_is_told_and_its_way_back_costs_nothing():
    """A new context re-runs what it touches, with the reason; the old context finds all again."""
    site = Observatory()
    site.make(chains(site.plan([exposure(1)], Associations()))[0], "rate")

    site.context = "jwst_0002.pmap"
    (chain,) = chains(site.plan([exposure(1)], Associations()))
    site.context = "jwst_0001.pmap"
    back = site.plan([exposure(1)], Associations())

    told = Reason("detector1: reference flat", "flat_of_jwst_0001.pmap", "flat_of_jwst_0002.pmap")
    assert chain.reasons == (told,)
    assert back.batches == {}


def test_an_edited_hook_makes_a_result_out_of_date():
    """Same recipe, other source: calibrated again, and it says why."""
    site = Observatory(hook="5a" * 32)
    site.make(chains(site.plan([exposure(1)], Associations()))[0], "rate")

    site.hook = "6b" * 32
    (chain,) = chains(site.plan([exposure(1)], Associations()))

    assert chain.reasons == (Reason("detector1: hook fixes.scale changed", "5a" * 6, "6b" * 6),)


def test_a_lost_result_is_made_again_and_says_so():
    """Published under the same key, but its objects are gone."""
    site = Observatory()
    site.make(chains(site.plan([exposure(1)], Associations()))[0], "rate")
    site.results.clear()

    (chain,) = chains(site.plan([exposure(1)], Associations()))

    assert chain.reasons == (Reason("result", "lost", "to be made again"),)


def test_an_exposure_without_stage_2_association_waits():
    """Stage 1 goes on; the wait says what to add."""
    plan = Observatory().plan([exposure(1)], Associations())

    assert stages(plan) == [["detector1"]]
    assert plan.waits[0].product == root(1)
    assert "add asn to the products of program 1345" in plan.waits[0].why


def test_stages_of_the_recipe_decide():
    """A recipe of stage 1 asks for no association."""
    plan = Observatory().plan([exposure(1)], Associations(), replace(DEEP, stages=(1,)))

    assert stages(plan) == [["detector1"]]
    assert plan.waits == ()


def test_one_bad_exposure_spoils_only_itself():
    """Refused by its header or by CRDS: listed as a failure, the others are planned."""
    refused = exposure(1, refusal="pixels were cut")
    unknown = exposure(2, "NRC_NOVELTY")

    plan = Observatory().plan([refused, unknown, exposure(3)], image2(3))

    assert [chain.product for chain in chains(plan)] == [root(3)]
    assert plan.failures == (Wait(recipe="deep", product=root(1), why="pixels were cut"),)
    assert "NRC_NOVELTY" in plan.waits[0].why


def test_a_gap_in_stage_2_leaves_stage_1():
    """What can be made is made; the gap is told."""
    plan = Observatory(gaps={"image2"}).plan([exposure(1)], image2(1))

    assert stages(plan) == [["detector1"]]
    assert "has no flat reference" in plan.failures[0].why


def test_guiders_have_a_pipeline_of_their_own():
    """No stage 2, and no waiting for it."""
    plan = Observatory().plan([exposure(1, "FGS_ACQ1")], Associations())

    assert stages(plan) == [["guider"]]
    assert plan.waits == ()


def test_other_programs_are_left_alone():
    """A recipe takes the programs that it names."""
    plan = Observatory().plan([exposure(1)], image2(1), replace(DEEP, programs=(2,)))

    assert (plan.batches, plan.done, plan.waits, plan.failures) == ({}, (), (), ())


def test_a_tie_of_where_blocks_refuses_just_the_exposures_that_it_touches():
    """A conflict that only one exposure meets."""

    def block(value: int, **match: str) -> Where:
        return Where(match=match, parameters={"detector1": {"jump": {"edge_size": value}}})

    tied = replace(DEEP, where=(block(1, detector="NRCB1"), block(2, exp_type="MIR_IMAGE")))

    plan = Observatory().plan([exposure(1), exposure(2, "MIR_IMAGE")], image2(1, 2), tied)

    assert [chain.product for chain in chains(plan)] == [root(1)]
    assert "equally specific" in plan.failures[0].why


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (16, [16]), (17, [8, 9]), (0, [])])
def test_batches_are_even_and_not_too_large(count, sizes):
    """17 exposures at 16 a batch are 8 and 9."""
    plan = Observatory().plan([exposure(n) for n in range(count)], Associations())

    assert [len(batch) for batch in plan.batches.values()] == sizes


def test_recipes_of_one_exposure_share_a_batch_and_their_order():
    """Equal keys of two recipes are then computed once."""
    quick = replace(DEEP, name="quick", stages=(1,))

    plan = Observatory().plan([exposure(1), exposure(2)], image2(1, 2), DEEP, quick)

    (batch,) = plan.batches.values()
    assert [(chain.product, chain.recipe) for chain in batch] == [
        (root(n), recipe) for n in (1, 2) for recipe in ("deep", "quick")
    ]
    assert batch[0].derivations[0] == batch[1].derivations[0]


def test_a_batch_is_named_by_its_work():
    """The same work has the same name, other work another."""
    site = Observatory()
    one, same, other = (list(site.plan([exposure(n)], Associations()).batches) for n in (1, 1, 2))

    assert one == same != other


# ---- stage 3 ---------------------------------------------------------------------------------


def cal(number: int, recipe: str = "deep") -> Result:
    """The result of stage 2 of an exposure."""
    name = f"{root(number)}_cal.fits"
    file = ResultFile(filename=name, sha256=f"sha-{number}", size=1, identity=f"id-{number}")
    return Result(
        recipe=recipe,
        program=1345,
        observation="o001",
        pipeline="image2",
        product=root(number),
        key="k",
        files=(file,),
    )


def mosaic(site: Observatory, results: list[Result], *troubles: Wait | Failure) -> Plan:
    """The plan of a mosaic of exposures 2 and 1, in this order."""
    entries = [exposure(1), exposure(2)]
    return site.plan_stage(3, stock_of(entries, results, troubles), image3(2, 1))


def test_a_mosaic_takes_the_recipes_results_in_the_order_of_the_association():
    """Names, order and content of the members."""
    (chain,) = chains(mosaic(Observatory(), [cal(1), cal(2)]))

    assert [item.identity for item in chain.derivations[0].inputs] == ["id-2", "id-1"]
    assert (chain.product, chain.observation) == (MOSAIC, "o001")


def test_a_known_mosaic_is_done():
    """Same members, same key."""
    site = Observatory()
    site.make(chains(mosaic(site, [cal(1), cal(2)]))[0], "i2d")

    plan = mosaic(site, [cal(2), cal(1)])

    assert plan.batches == {}
    assert [result.product for result in plan.done] == [MOSAIC]


def test_a_changed_member_is_the_reason():
    """The reason names the member."""
    site = Observatory()
    site.make(chains(mosaic(site, [cal(1), cal(2)]))[0], "i2d")
    files = (replace(cal(1).files[0], identity="id-new"),)

    (chain,) = chains(mosaic(site, [replace(cal(1), files=files), cal(2)]))

    assert chain.reasons == (Reason(f"image3: content of {root(1)}_cal.fits", "id-1", "id-new"),)


@pytest.mark.parametrize(
    "trouble",
    [
        Failure(name=f"deep/{root(1)}", message="jump: no groups left"),
        Wait(recipe="deep", product=root(1), why="jump: no groups left"),
    ],
)
def test_a_mosaic_waits_for_a_missing_member_and_says_why(trouble):
    """Never made from fewer members than it has."""
    plan = mosaic(Observatory(), [cal(2)], trouble)

    assert plan.batches == {}
    assert plan.waits[0].product == MOSAIC
    assert plan.waits[0].why == f"member {root(1)}_cal.fits is missing: jump: no groups left"


def test_members_of_another_recipe_do_not_count():
    """No mixture of recipes."""
    plan = mosaic(Observatory(), [cal(1, "quick"), cal(2)])

    assert plan.batches == {}
    assert f"the recipe made nothing of {root(1)}_uncal.fits" in plan.waits[0].why


def test_a_broken_association_waits():
    """It is told once, for the stage that it is for."""
    name = "jw01345-o001_20260101t000000_image3_00001_asn.json"
    broken = Associations(broken=(Failure(name=name, message="no JSON"),))
    site = Observatory()

    second = site.plan([], broken)
    third = site.plan_stage(3, stock_of([], []), broken)

    assert second.waits == ()
    assert third.waits == (Wait(recipe="deep", product=name, why="no JSON"),)


def test_what_references_are_wanted_for():
    """Each header once, with the pipelines of its type and of its mosaic that the recipe runs."""
    both = Associations(found=image2(1).found + image3(1).found)
    entries = [exposure(1), exposure(2, "FGS_ACQ1")]

    asked = wanted(entries, both, [DEEP])
    only_first = wanted(entries, both, [replace(DEEP, stages=(1,))])

    assert asked == (
        (exposure(1).header, ("detector1", "image2", "image3")),
        (exposure(2, "FGS_ACQ1").header, ("guider",)),
    )
    assert [names for _, names in only_first] == [("detector1",), ("guider",)]


def test_refused_exposures_want_no_references():
    """An exposure without a header that can be believed is not asked about."""
    refused = exposure(1, header="", refusal="pixels were cut")

    assert wanted([refused], Associations(), [DEEP]) == ()
