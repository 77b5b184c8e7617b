"""Exposures that a recipe excludes: not calibrated, no members, and the reason kept."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Exclusion, Selection, write
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import ExcludedFiles, Published
from jwmirror.core.model.run import Run
from jwmirror.planning.association_choice import choose_associations, describe_unmatched
from jwmirror.planning.exclusions import exclusion_of, made_of_excluded
from jwmirror.planning.inputs import available_files
from jwmirror.report.status import build_status
from jwmirror.report.terminal.status import plan_page
from jwmirror.services.run.conclude import conclude_run
from jwmirror.services.run.holdings import Holdings, with_left_out
from jwmirror.store.runs import RunFiles
from tests.setup.plans import DEEP, MOSAIC, PlanSources, chains, exposure, image2, image3, root
from tests.setup.records import association, entry, product, result, result_file

LOST = "guide star lost"
WITHOUT_2 = Exclusion(match={"file": f"{root(2)}*"}, because=LOST)
EXPOSURES = [exposure(n) for n in (1, 2, 3)]
CALS = [result("image2", root(n), result_file(f"{root(n)}_cal.fits")) for n in (1, 2, 3)]


def choose(associations: Associations, *exclusions: Exclusion):
    """A recipe with exclusions, and its associations."""
    recipe = replace(DEEP, exclude=exclusions)
    return recipe, choose_associations(associations, EXPOSURES, [recipe], {}, {})


def mosaics(*exclusions: Exclusion, sources: PlanSources | None = None):
    """The plan of a mosaic of three exposures."""
    recipe, associations = choose(image3(1, 2, 3), *exclusions)
    available = available_files(EXPOSURES, CALS)
    return (sources or PlanSources()).plan_stage(3, available, associations, recipe)


@pytest.mark.parametrize(
    ("match", "is_met"),
    [
        ({"file": f"{root(2)}*"}, True),
        ({"file": root(2)}, True),
        ({"file": f"{root(2)}_cal.fits"}, True),
        ({"file": f"{root(2)}_rate"}, True),
        ({"file": f"{root(2)}_uncal.fits".upper()}, True),
        ({"file": f"{root(2)}_i2d.fits"}, False),
        ({"file": (f"{root(1)}*", "*_0000[2-4]_*")}, True),
        ({"exposure": "2"}, True),
        ({"exposure": ("1", "3")}, False),
        ({"visit": "1", "observation": "1", "exposure": "2"}, True),
        ({"visit": "2", "exposure": "2"}, False),
        ({"detector": "nrcb1", "program": "1345"}, True),
    ],
)
def test_an_exclusion_is_met_by_the_name_of_any_file_of_the_exposure(match, is_met):
    """All keys of it; patterns and values as in where-blocks."""
    recipe = replace(DEEP, exclude=(Exclusion(match=match, because=LOST),))

    found = [exclusion_of(recipe, f"{root(2)}_{suffix}.fits") for suffix in ("uncal", "cal")]

    assert found == [recipe.exclude[0] if is_met else None] * 2


@pytest.mark.parametrize("pattern", ["*x1d*", "*crf*", f"{root(2)}_x1d.fits"])
def test_all_files_of_an_exposure_are_excluded_or_none(pattern):
    """A pattern of other products meets nothing, which is noted; not a part of the exposure."""
    exclusion = Exclusion(match={"file": pattern}, because=LOST)
    recipe, associations = choose(image3(1, 2, 3), exclusion)
    products = [entry(product(f"{root(2)}_{end}.fits")) for end in ("x1d", "o001_crf")]

    met = [exclusion_of(recipe, each.filename) for each in (*EXPOSURES, *products)]
    notes = list(describe_unmatched([*EXPOSURES, *products], associations, recipe))

    assert met == [None] * 5
    assert len(notes) == 1


def test_an_excluded_exposure_is_not_calibrated():
    """The plan says so, with the reason."""
    recipe, associations = choose(image2(1, 2, 3), WITHOUT_2)

    plan = PlanSources().plan(EXPOSURES, associations, recipe)

    assert [chain.product for chain in chains(plan)] == [root(1), root(3)]
    assert plan.waits == ()
    files = {f"{root(2)}_uncal.fits": LOST}
    assert plan.excluded == (ExcludedFiles("deep", root(2), files, is_made=False),)


def test_a_mosaic_is_made_of_the_rest_with_the_reason():
    """In the order of the association; the chain carries the reason to the provenance record."""
    plan = mosaics(WITHOUT_2)

    (chain,) = chains(plan)
    files = {f"{root(2)}_cal.fits": LOST}
    assert [item.name for item in chain.derivations[0].inputs] == [
        f"{root(n)}_cal.fits" for n in (1, 3)
    ]
    assert chain.excluded == {"image3": files}
    assert plan.excluded == (ExcludedFiles("deep", MOSAIC, files, is_made=True),)


def test_an_exclusion_taken_back_computes_nothing():
    """The key follows from the inputs alone."""
    sources = PlanSources()
    sources.make(chains(mosaics(sources=sources))[0], "i2d")
    sources.make(chains(mosaics(WITHOUT_2, sources=sources))[0], "i2d")

    plans = [mosaics(*exclude, sources=sources) for exclude in ((), (WITHOUT_2,))]

    assert [plan.batches for plan in plans] == [{}, {}]
    assert plans[0].done[0].key != plans[1].done[0].key


def test_a_product_without_science_members_is_not_made_and_named():
    """Nor does it wait, or fail for what it lacks."""
    plan = mosaics(Exclusion(match={"observation": "1"}, because="wrong target"))

    assert (plan.batches, plan.waits, plan.failures) == ({}, (), ())
    (excluded,) = plan.excluded
    assert (excluded.product, excluded.is_made, len(excluded.files)) == (MOSAIC, False, 3)
    assert excluded.why.startswith(f"not made; excluded: {root(1)}_cal.fits: wrong target; ")


def test_a_background_is_excluded_likewise():
    """An exposure that is left without companions is calibrated with stage 1."""
    nod = association("spec2", root(1), f"{root(1)}_rate.fits", f"background:{root(2)}_rate.fits")
    recipe, associations = choose(Associations(found=(nod,)), WITHOUT_2)

    plan = PlanSources().plan([exposure(1, "MIR_LRS-FIXEDSLIT")], associations, recipe)

    (chain,) = chains(plan)
    assert [derivation.pipeline for derivation in chain.derivations] == ["detector1", "spec2"]
    assert chain.excluded == {"spec2": {f"{root(2)}_rate.fits": LOST}}


def test_mast_s_product_of_an_excluded_background_is_not_taken():
    """A recipe of stage 3: MAST subtracted the excluded nod. One of stages 2 and 3 does without."""
    nod = association("spec2", root(1), f"{root(1)}_rate.fits", f"background:{root(2)}_rate.fits")
    third = association("spec3", MOSAIC, *(f"{root(n)}_cal.fits" for n in (1, 2)))
    recipe, associations = choose(Associations(found=(nod, third)), WITHOUT_2)
    late = replace(recipe, stages=(3,))
    cals = [replace(exposure(n), product=product(f"{root(n)}_cal.fits")) for n in (1, 2)]

    not_taken = made_of_excluded(Associations(found=(nod, third)), [recipe])
    available = available_files(cals, not_taken=not_taken)
    plan = PlanSources().plan_stage(3, available, associations, late)

    (wait,) = plan.waits
    assert (wait.product, wait.cause, plan.batches) == (MOSAIC, "input", {})
    assert f"excludes ({root(2)}_rate.fits: {LOST}); let the recipe make it" in wait.why
    assert made_of_excluded(Associations(found=(nod, third)), [DEEP]) == {}


def test_a_recipe_without_exclusions_takes_its_associations_as_they_are():
    """Also beside one that has some."""
    excluding = replace(DEEP, name="less", exclude=(WITHOUT_2,))

    found = choose_associations(image3(1, 2), EXPOSURES, [DEEP, excluding], {}, {})

    assert found.of(DEEP, 3) == image3(1, 2).found
    assert len(found.of(excluding, 3)[0].members) == 1


def test_an_exclusion_that_matches_nothing_is_noted():
    """One that a member meets has an effect, also if the member is not mirrored."""
    other = Exclusion(match={"file": f"{root(9)}*"}, because="x")
    recipe, associations = choose(image3(1, 4), WITHOUT_2, other,
                                  Exclusion(match={"exposure": "4"}, because="y"))  # fmt: skip

    (note,) = describe_unmatched(EXPOSURES, associations, recipe)

    assert note == f"exclude file {root(9)}* (x) matches none of the mirrored exposures"


@pytest.mark.parametrize("stages", [(1, 2, 3), (3,)])
def test_an_association_that_waits_for_what_the_config_excludes_says_so(stages):
    """With the pattern, and what to write into the recipe (programs[].exclude)."""
    pattern = f"{root(2)}*"
    selections = [Selection(program=1345, exclude=(pattern,)), Selection(program=1345)]
    entries = tuple(each for each in EXPOSURES if root(2) not in each.filename)
    holdings = with_left_out(Holdings(entries, image3(1, 2)), selections)

    available = available_files(entries, CALS[:1], absent=holdings.absent)
    plan = PlanSources().plan_stage(3, available, image3(2, 1), replace(DEEP, stages=stages))

    (wait,) = plan.waits
    assert f"because `exclude` of program 1345 ({pattern}) leaves it out" in wait.why
    assert wait.why.endswith(f'exclude: [{{file: "{root(2)}*", because: ...}}]')


def test_a_search_that_excludes_is_named_as_one_unless_the_poll_knows_better():
    """A file that was selected, and did not arrive, is not called excluded."""
    searched = [Selection(program=0, exclude=(f"{root(2)}*",))]
    entries = tuple(each for each in EXPOSURES if root(2) not in each.filename)
    holdings = Holdings(entries, image3(1, 2))
    raw = f"{root(2)}_uncal.fits"

    excluded = with_left_out(holdings, searched).absent[raw]
    failed = with_left_out(holdings._replace(absent={raw: "is withheld"}), searched).absent[raw]

    assert "because `exclude` of a search (" in excluded
    assert failed == "is withheld"


def test_the_run_the_status_and_the_report_show_what_is_excluded(tmp_path):
    """With the reason; what has no effect is noted at the end of the run."""
    plan = replace(mosaics(WITHOUT_2), notes=("recipe deep: exclude visit 9 (x) matches none",))
    run = RunFiles(tmp_path / "receipts" / "runs" / "20260301T120000.000000Z-1")
    write(run.plan("associations-3"), plan)
    records = Run(id="r", plans=(plan,))

    published = Published(generation=0, is_new=False)
    conclusion = conclude_run(mirror=tmp_path, run=run.folder, published=published, page="x")
    status = build_status("mirror", None, (), records)
    text = "".join(str(part) for part in plan_page(status).renderables)

    line = f"deep: {MOSAIC}: made without {root(2)}_cal.fits: {LOST}"
    assert "Without effect: recipe deep: exclude visit 9 (x) matches none" in conclusion.summary
    assert line in text
    assert status.notes == plan.notes


def test_a_recipe_that_excludes_all_is_not_told_to_add_associations():
    """They are mirrored; its products are named as not made."""
    all_of_it = Exclusion(match={"program": "1345"}, because="x")
    recipe, associations = choose(image2(1, 2), all_of_it)
    short = replace(recipe, stages=(2, 3))

    plan = PlanSources().plan_stage(2, available_files(EXPOSURES), associations, short)

    assert plan.waits == ()
    assert [excluded.product for excluded in plan.excluded] == [root(1), root(2)]
