"""A CRDS context of a recipe's own: its plans, its jobs and its rows have that one."""

from dataclasses import replace

import pytest

from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Plan
from jwmirror.core.model.plan import JobLimits
from jwmirror.planning.inputs import available_files
from jwmirror.planning.plan import plan_exposures
from jwmirror.planning.resolvers.by_environment import Resolvers, resolvers_of
from jwmirror.store.entries import recalibrated_entries
from tests.setup.configs import parse
from tests.setup.plans import DEEP, PlanSources, chains, exposure, image2
from tests.setup.records import result, result_file

FORMER, PRESENT = "jwst_0001.pmap", "jwst_0002.pmap"
RECIPES = [DEEP, replace(DEEP, name="former", context=FORMER)]


def test_a_recipe_may_name_a_context_and_passes_it_on():
    """To those that extend it, unless they name another one."""
    recipes = {
        "base": {"context": FORMER},
        "same": {"extends": "base"},
        "other": {"extends": "base", "context": PRESENT},
        "run": {},
    }

    config = parse({"programs": [{"program": 1345}], "recipes": recipes}, False)

    contexts = {recipe.name: recipe.context for recipe in config.recipes}
    assert contexts == {"base": FORMER, "same": FORMER, "other": PRESENT, "run": ""}


@pytest.mark.parametrize("context", ["latest", "jwst_1.pmap", "jwst_nircam_0001.imap"])
def test_only_the_name_of_a_context_is_one(context):
    """`build` and `latest` are of the run."""
    raw = {"programs": [{"program": 1345}], "recipes": {"deep": {"context": context}}}

    with pytest.raises(ConfigError, match=r"a name such as jwst_1464\.pmap"):
        parse(raw, False)


def test_each_recipe_is_planned_with_its_context():
    """The chains carry it to the jobs; keys follow the references."""
    sources = {name: PlanSources(context=name) for name in (FORMER, PRESENT)}
    resolvers = Resolvers(PRESENT, lambda python, context: sources[context])
    builder = PlanSources().builder(available_files([exposure(1)]))
    builder.resolvers = resolvers

    plan_exposures(builder, image2(1), RECIPES)

    plan = builder.build(JobLimits(exposures=16))
    found = {chain.recipe: chain for chain in chains(plan)}
    assert {name: chain.context for name, chain in found.items()} == {"deep": "", "former": FORMER}
    flats = [chain.derivations[0].references["flat"][0] for chain in found.values()]
    assert sorted(flats) == [f"flat_of_{FORMER}", f"flat_of_{PRESENT}"]
    assert plan.context == PRESENT


def test_rows_are_valid_in_the_context_of_their_recipe():
    """Also rows of one result that two recipes share."""
    made = [result("image2", "x", result_file("x_cal.fits"), recipe=r.name) for r in RECIPES]

    rows = recalibrated_entries(
        (), [Plan(context=PRESENT)], made, PRESENT, contexts={"former": FORMER}
    )

    assert {row.origin: row.context for row in rows} == {"deep": PRESENT, "former": FORMER}


def test_a_recipe_whose_context_is_missing_fails_alone(tmp_path):
    """With the reason; the other recipe is planned."""
    sources = PlanSources()
    cached = resolvers_of(tmp_path, PRESENT, missing_contexts={FORMER: "CRDS has no such one"})
    builder = sources.builder(available_files([exposure(1)]))
    builder.resolvers = Resolvers(
        PRESENT, lambda python, context: sources if context == PRESENT else cached.of("", context)
    )

    plan_exposures(builder, image2(1), RECIPES)

    plan = builder.build(JobLimits())
    assert [chain.recipe for chain in chains(plan)] == ["deep"]
    (failure,) = plan.failures
    assert (failure.recipe, failure.why) == ("former", "CRDS has no such one")
    assert failure.cause == "references"
