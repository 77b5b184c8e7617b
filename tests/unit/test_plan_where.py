"""Where-blocks at stages 2 and 3: one applies only if all science members meet it."""

import json
from dataclasses import replace

import pytest

from jwmirror.core.model import Plan, Recipe, Wait, Where, canonical
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import PartialMatch
from jwmirror.core.model.run import Run
from jwmirror.pipeline.derivation import key_of
from jwmirror.planning.inputs import available_files
from jwmirror.planning.levels import AssociationLevel
from jwmirror.planning.plan import plan_associations
from jwmirror.report.status import build_status
from jwmirror.report.terminal.status import plan_page
from tests.setup.plans import DEEP, MOSAIC, PlanSources, chains, exposure, root
from tests.setup.records import association
from tests.unit.test_plan_mosaics import cal

SNR = {"image3": {"steps": {"source_catalog": {"snr_threshold": 9}}}}
THRESHOLD = {"detector1": {"steps": {"jump": {"rejection_threshold": 9}}}}


def of_observation(number: int, observation: str):
    """A raw exposure whose header names an observation."""
    row = exposure(number)
    header = {**json.loads(row.header), "meta.observation.observation_number": observation}
    return replace(row, header=canonical(header))


def mosaic_of(*numbers: int, product: str = MOSAIC):
    """The association of a mosaic."""
    return association("image3", product, *(f"{root(n)}_cal.fits" for n in numbers))


def recipe_with(parameters=SNR, **match: object) -> Recipe:
    """A recipe with one where-block."""
    return replace(DEEP, where=(Where(match=match or {"observation": "5"}, parameters=parameters),))


def planned(recipe: Recipe, observations: str = "556", *others, absent: int = 0) -> Plan:
    """The plan of stage 3 of a mosaic of exposures of these observations, and of other ones."""
    entries = [
        of_observation(number, f"00{observation}")
        for number, observation in enumerate(observations, start=1)
        if number != absent
    ]
    numbers = range(1, len(observations) + 1)
    found = (mosaic_of(*numbers), *others)
    available = available_files(entries, [cal(number) for number in numbers])
    return PlanSources().plan_stage(3, available, Associations(found=found), recipe)


def parameters_of(plan: Plan, product: str = MOSAIC) -> object:
    """The parameters of the mosaic that a plan computes."""
    (chain,) = [chain for chain in chains(plan) if chain.product == product]
    return chain.derivations[0].parameters


@pytest.mark.parametrize(
    ("observations", "applies"), [("555", True), ("556", False), ("655", False), ("666", False)]
)
def test_a_block_applies_if_all_science_members_meet_it(observations, applies):
    """The first member alone does not decide."""
    plan = planned(recipe_with(), observations)

    assert parameters_of(plan) == (SNR["image3"] if applies else {"steps": {}})


def test_a_block_that_some_members_meet_is_reported_with_the_members():
    """The plan names those that meet it and those that do not."""
    plan = planned(recipe_with(), "565")

    one, two, three = (f"{root(number)}_cal.fits" for number in (1, 2, 3))
    assert plan.partial_matches == (
        PartialMatch(
            recipe="deep",
            product=MOSAIC,
            match="observation 5",
            members=(one, three),
            others=(two,),
        ),
    )


def test_a_block_that_meets_no_association_completely_is_a_failure():
    """Its parameters would never be used; the mosaic is planned without them."""
    plan = planned(recipe_with())

    (failure,) = plan.failures
    assert (failure.recipe, failure.product) == ("deep", "where observation 5")
    assert f"{root(3)}_cal.fits" in failure.why
    assert len(chains(plan)) == 1


@pytest.mark.parametrize("absent", [0, 3])
def test_a_block_that_meets_another_association_is_no_failure(absent):
    """Also if a member that could meet it is not mirrored yet."""
    other = mosaic_of(1, 2, product="jw01345-o005_t001_nircam_clear-f200w")

    plan = planned(recipe_with(), "556", other, absent=absent)

    assert plan.failures == ()
    assert len(plan.partial_matches) == (0 if absent else 1)


def test_a_block_of_another_stage_does_not_count():
    """Members of several observations or detectors are usual then."""
    plan = planned(recipe_with(THRESHOLD))

    assert (plan.partial_matches, plan.failures) == ((), ())


def test_keys_stay_where_all_members_or_none_meet_a_block():
    """A block that no member meets leaves no trace in the key."""
    plain, unmet = (planned(recipe) for recipe in (DEEP, recipe_with(detector="NRCA1")))

    keys = [key_of(chains(plan)[0].derivations[0]) for plan in (plain, unmet)]
    assert keys[0] == keys[1]
    assert unmet.partial_matches == ()


def test_status_names_the_members():
    """The page for people, and the record for programs."""
    plan = planned(recipe_with())

    status = build_status("mirror", None, (), Run(id="r", plans=(plan,)))

    (match,) = status.partial_matches
    assert (match.match, match.others) == ("observation 5", (f"{root(3)}_cal.fits",))
    text = "".join(str(part) for part in plan_page(status).renderables)
    assert f"deep: where observation 5: of {MOSAIC} it meets {root(1)}_cal.fits" in text


def test_a_block_that_an_unsettled_association_may_meet_is_no_failure():
    """The other association is not planned in this run."""
    wait = Wait("deep", "jw01345-o005_t001_nircam_clear-f200w", "half updated", "unsettled")
    available = available_files(
        [of_observation(1, "005"), of_observation(2, "006")], [cal(1), cal(2)]
    )

    builder = PlanSources().builder(available)
    builder.waits.append(wait)
    plan_associations(
        builder, Associations(found=(mosaic_of(1, 2),)), [recipe_with()], AssociationLevel(3)
    )

    assert builder.failures == []
    assert len(builder.partial_matches) == 1


@pytest.mark.parametrize(
    ("recipe", "cause", "count"),
    [("deep", "unsettled", 0), ("quick", "unsettled", 1), ("deep", "input", 1)],
)
def test_only_what_this_recipe_waits_for_until_it_settles_counts(recipe, cause, count):
    """Among other waits."""
    available = available_files(
        [of_observation(1, "005"), of_observation(2, "006")], [cal(1), cal(2)]
    )
    builder = PlanSources().builder(available)
    builder.waits += [Wait("deep", "x", "", "input"), Wait(recipe, "p", "", cause)]

    plan_associations(
        builder, Associations(found=(mosaic_of(1, 2),)), [recipe_with()], AssociationLevel(3)
    )

    why = (
        "it meets all science members of no association, so its parameters are not used there; "
        f"of {MOSAIC} it meets {root(1)}_cal.fits, and not {root(2)}_cal.fits; match what all "
        "members have, or remove the block's parameters of this stage"
    )
    assert builder.failures == [Wait("deep", "where observation 5", why, "request")] * count
