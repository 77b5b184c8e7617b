"""The grism loop: stage 2 of grism exposures after stage 3 of their direct images, then stage 3."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Exclusion
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import LEVELS, LEVELS_WITHOUT_GRISMS, Unsettled
from jwmirror.planning.association_choice import choose_associations
from jwmirror.planning.levels import grism_associations, images_of_mast
from tests.setup.level_runs import MAKES, LevelRuns
from tests.setup.plans import DEEP, chains, exposure, root
from tests.setup.records import association, entry, product

IMAGE, SPECTRUM = "jw01345-o001_t001_niriss_clear-f200w", "jw01345-o001_t001_niriss_gr150r"
WITH = [f"sourcecat:{IMAGE}_cat.ecsv", f"segmap:{IMAGE}_segm.fits",
        f"direct_image:{IMAGE}_i2d.fits"]  # fmt: skip
FILES = [f"{IMAGE}_{end}" for end in ("i2d.fits", "cat.ecsv", "segm.fits")]
IMAGING = (
    association("image2", root(1), f"{root(1)}_rate.fits"),
    association("image3", IMAGE, f"{root(1)}_cal.fits"),
)
GRISMS = (
    association("spec2", root(2), f"{root(2)}_rate.fits", *WITH),
    association("spec3", SPECTRUM, f"{root(2)}_cal.fits"),
)
ALL = Associations(found=(*IMAGING, *GRISMS))
ENTRIES = (exposure(1, "NIS_IMAGE"), exposure(2, "NIS_WFSS"))
LOST = Exclusion(match={"exposure": "1"}, because="guide star lost")


class Runs(LevelRuns):
    """Runs of a mirror with two exposures, an image and a spectrum."""

    def __init__(self, mirror, associations=ALL, entries=ENTRIES, unsettled=()):
        super().__init__(mirror, associations, entries, unsettled)

    def planner(self, *recipes):
        """The planner of the next run, of recipe `deep` by default."""
        return super().planner(*(recipes or [DEEP]))


def test_spectra_follow_the_products_of_their_direct_images(empty_mirror):
    """In one run, with two levels more; members are the recipe's, of one run."""
    plans, computed = Runs(empty_mirror.root).run()

    assert computed == [["detector1", "image2", "detector1"], [], ["image3"], ["spec2"], ["spec3"]]
    assert tuple(plans) == LEVELS[:-1]  # all but single steps
    (spectrum,) = chains(plans["grism-2"])
    assert [item.role for item in spectrum.derivations[0].inputs] == [
        "science", "sourcecat", "segmap", "direct_image"
    ]  # fmt: skip
    assert all(not plan.waits and not plan.failures for plan in plans.values())


def test_single_steps_follow_the_grism_exposures(empty_mirror):
    """On the image; of spectra there is no s2d, so their step waits."""
    steps = ("image3.source_catalog", "spec3.extract_1d")
    again = replace(DEEP, name="again", stages=(), steps=steps, products_of="deep")

    plans, computed = Runs(empty_mirror.root).run(DEEP, again)

    assert tuple(plans) == LEVELS and computed[-2:] == [["spec3"], ["image3.source_catalog"]]
    (wait,) = plans["steps"].waits
    assert (wait.recipe, wait.product, wait.cause) == ("again", SPECTRUM, "unsupported")


def test_an_unchanged_run_plans_all_levels_at_once(empty_mirror):
    """Nothing is computed; the first plan has those of all other levels ahead."""
    runs = Runs(empty_mirror.root)
    runs.run()

    plans = runs.planner().plan_levels()

    assert len(plans) == len(LEVELS) - 1  # without single steps
    assert [len(plan.done) for plan in plans] == [3, 0, 1, 1, 1]


def test_a_changed_parameter_of_the_catalogue_runs_nothing_of_stage_1(empty_mirror):
    """The mosaic, then what reads it."""
    runs = Runs(empty_mirror.root)
    runs.run()
    changed = replace(DEEP, parameters={"image3": {"source_catalog": {"snr_threshold": 9}}})

    _, computed = runs.run(changed)

    assert computed == [[], [], ["image3"], ["spec2"], ["spec3"]]


def test_a_preview_shows_all_levels(empty_mirror):
    """Before anything is computed."""
    plans = Runs(empty_mirror.root).planner().plan_levels(is_preview=True)

    assert [len(plan.chains) for plan in plans] == [2, 0, 1, 1, 1]


def test_spectra_wait_for_a_failed_image_with_its_cause(empty_mirror):
    """Both levels; MAST's catalogue is not taken instead."""
    upstream = tuple(entry(product(name), identity="i") for name in FILES)
    runs = Runs(empty_mirror.root, entries=(*ENTRIES, *upstream))
    runs.failing = "image3"

    plans, computed = runs.run()

    assert computed[2:] == [[], [], []]
    (second,), (third,) = plans["grism-2"].waits, plans["grism-3"].waits
    assert (second.product, second.cause) == (root(2), "failed")
    assert second.why == f"member {IMAGE}_cat.ecsv is missing: no sources"
    assert (third.product, third.cause) == (SPECTRUM, "failed")


def test_spectra_wait_while_mast_reprocesses_the_images(empty_mirror):
    """An unsettled mosaic is no reason to take MAST's catalogue."""
    unsettled = Unsettled(
        association="a", product=IMAGE, program=1345, why="w", since="s", exposures=(), uris=()
    )
    upstream = tuple(entry(product(name), identity="i") for name in FILES)
    runs = Runs(empty_mirror.root, entries=(*ENTRIES, *upstream), unsettled=(unsettled,))

    plans, _ = runs.run()

    assert [wait.cause for wait in plans["associations-3"].waits] == ["unsettled"]
    assert [wait.cause for wait in plans["grism-2"].waits] == ["unsettled"]


def test_without_a_catalogue_of_the_recipe_spectra_wait(empty_mirror, monkeypatch):
    """Products of the recipe and of MAST are not combined."""
    monkeypatch.setitem(MAKES, "image3", ["i2d.fits"])
    upstream = tuple(entry(product(name), identity="i") for name in FILES)

    plans, _ = Runs(empty_mirror.root, entries=(*ENTRIES, *upstream)).run()

    (wait,) = plans["grism-2"].waits
    assert wait.why.endswith(f"the recipe made {IMAGE}_i2d.fits of its direct images")


@pytest.mark.parametrize("stages", [(1, 2), (1, 2, 3)])
def test_a_recipe_that_does_not_combine_the_images_takes_mast_s(empty_mirror, stages):
    """Because it has no stage 3, or no association of these images; then no level is added."""
    upstream = tuple(entry(product(name), identity="i") for name in FILES)
    associations = Associations(found=(IMAGING[0], *GRISMS))
    runs = Runs(empty_mirror.root, associations, (*ENTRIES, *upstream))

    plans, computed = runs.run(replace(DEEP, stages=stages))

    assert tuple(plans) == LEVELS_WITHOUT_GRISMS
    assert computed[1] == ["spec2"]


def test_other_recipes_and_associations_keep_their_levels():
    """Only what needs the images, directly or through stage 2, comes later."""
    nod = association("spec2", root(3), f"{root(3)}_rate.fits", f"background:{root(4)}_rate.fits")
    other = replace(DEEP, name="other", stages=(1, 2))

    found = grism_associations(Associations(found=(*ALL.found, nod)), [DEEP, other])

    assert found == {"deep": frozenset({("spec2", root(2)), ("spec3", SPECTRUM)})}


@pytest.mark.parametrize("stages", [(1, 2), (1, 2, 3)])
def test_mast_s_catalogue_of_an_excluded_image_is_not_taken(empty_mirror, stages):
    """It is made of that image, so the spectra wait, and the reason is named."""
    recipe = replace(DEEP, stages=stages, exclude=(LOST,))
    upstream = tuple(entry(product(name), identity="i") for name in FILES)
    associations = choose_associations(ALL, ENTRIES, [recipe], {}, {})
    runs = Runs(empty_mirror.root, associations, (*ENTRIES, *upstream))

    plans, computed = runs.run(recipe)

    assert not any("spec2" in level for level in computed)
    second = next(w for plan in plans.values() for w in plan.waits if w.product == root(2))
    assert second.cause == "input"
    assert second.why.startswith(
        f"member {IMAGE}_cat.ecsv is missing: MAST's is made of exposures "
    )
    assert f"{root(1)}_cal.fits: guide star lost" in second.why


def test_mast_s_spectra_of_an_excluded_image_are_not_combined(empty_mirror):
    """A recipe of stage 3: MAST extracted them with the catalogue of that image."""
    recipe = replace(DEEP, stages=(3,), exclude=(LOST,))
    files = (f"{root(2)}_cal.fits", *FILES)
    upstream = tuple(entry(product(name), identity="i") for name in files)
    associations = choose_associations(ALL, ENTRIES, [recipe], {}, {})

    plans, computed = Runs(empty_mirror.root, associations, (*ENTRIES, *upstream)).run(recipe)

    (wait,) = plans["associations-3"].waits
    assert not any(computed)
    assert wait.product == SPECTRUM and f"{root(1)}_cal.fits: guide star lost" in wait.why


def test_an_image_of_the_rest_feeds_the_spectra(empty_mirror):
    """One of two direct images is excluded: the recipe makes the catalogue of the other."""
    lost = Exclusion(match={"exposure": "3"}, because="guide star lost")
    recipe = replace(DEEP, exclude=(lost,))
    cals = [f"{root(n)}_cal.fits" for n in (1, 3)]
    both = (IMAGING[0], association("image3", IMAGE, *cals), *GRISMS)
    entries = (*ENTRIES, exposure(3, "NIS_IMAGE"))
    associations = choose_associations(Associations(found=both), entries, [recipe], {}, {})

    _, computed = Runs(empty_mirror.root, associations, entries).run(recipe)

    assert computed[2:] == [["image3"], ["spec2"], ["spec3"]]


@pytest.mark.parametrize(("name", "left"), [("mine", (IMAGE,)), (IMAGE, ())])
def test_images_that_own_associations_do_not_make_are_named(name, left):
    """The user's mosaic of the direct images has another name than the spectra ask for."""
    recipe = replace(DEEP, associations=("mine.json",))
    mine = association("image3", name, f"{root(1)}_cal.fits", name="mine.json")

    chosen = choose_associations(ALL, ENTRIES, [recipe], {}, {"deep": [mine]})

    assert images_of_mast(chosen, recipe) == left
    assert images_of_mast(ALL, DEEP) == ()
