"""Plans while MAST has half updated an association: it waits, the others go on."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Entry, Recipe, canonical
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import Unsettled, Wait
from jwmirror.planning.settling import settled_associations, settled_exposures
from tests.setup.records import association, entry, product

DEEP = Recipe(name="deep", programs=(1345,))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w"
ROOTS = tuple(f"jw01345001001_02101_{number:05d}_nrcb1" for number in (1, 2, 3))
HALF = Unsettled(
    association=f"{MOSAIC}_asn.json",
    product=MOSAIC,
    program=1345,
    why="CAL_VER 1.20.2 and 1.21.0 at level 2",
    since="2026-04-05T00:00:00+00:00",
    exposures=ROOTS[:2],
    uris=(),
)


CALS = [f"{root}_cal.fits" for root in ROOTS[:2]]
MOSAICS = Associations(found=(association("image3", MOSAIC, *CALS, name=HALF.association),))


@pytest.fixture
def exposures() -> list[Entry]:
    """Three raw exposures."""
    header = canonical({"meta.exposure.type": "NRC_IMAGE"})
    return [entry(product(f"{root}_uncal.fits"), identity=root, header=header) for root in ROOTS]


def test_exposures_of_a_half_updated_association_wait(exposures):
    """Its exposures wait with the reason and the way out; another one is left to be planned."""
    kept, waits = settled_exposures(exposures, [HALF], [DEEP])

    assert kept == (exposures[2],)
    assert [wait.product for wait in waits] == list(ROOTS[:2])
    assert all(HALF.why in wait.why and "settle.accept" in wait.why for wait in waits)


def test_a_half_updated_association_waits():
    """It is told as such, not as one whose members are missing."""
    kept, (wait,) = settled_associations(MOSAICS, [HALF], [DEEP])

    assert kept.found == ()
    assert (wait.recipe, wait.product) == ("deep", MOSAIC)


@pytest.mark.parametrize("recipe", [replace(DEEP, programs=(1366,)), replace(DEEP, stages=())])
def test_recipes_that_do_not_ask_for_it_do_not_wait(recipe, exposures):
    """Another program's recipe, or another stage, waits for nothing."""
    assert settled_exposures(exposures, [HALF], [recipe])[1] == ()
    assert settled_associations(MOSAICS, [HALF], [recipe])[1] == ()


def test_what_is_settled_is_left_as_it_is(exposures):
    """Without anything half updated all is planned."""
    assert settled_exposures(exposures, [], [DEEP]) == (tuple(exposures), ())
    assert settled_associations(MOSAICS, [], [DEEP]) == (
        MOSAICS,
        (),
    )


WHY = (
    f"MAST has half updated {MOSAIC}, seen first {HALF.since}: {HALF.why}; it waits for the rest; "
    "settle.accept in the config overrides"
)


@pytest.mark.parametrize(
    ("stages", "of_exposures", "of_mosaics"),
    [((1,), 2, 0), ((2,), 2, 0), ((3,), 0, 1), ((1, 2, 3), 2, 1)],
)
def test_each_stage_waits_for_what_it_makes(exposures, stages, of_exposures, of_mosaics):
    """The first two for exposures, the third for the mosaic; with the same words."""
    recipe = replace(DEEP, stages=stages)

    waits = [
        *settled_exposures(exposures, [HALF], [recipe])[1],
        *settled_associations(MOSAICS, [HALF], [recipe])[1],
    ]

    products = [*ROOTS[:of_exposures], *[MOSAIC] * of_mosaics]
    assert waits == [Wait("deep", product, WHY, "unsettled") for product in products]


def test_only_raw_exposures_wait(exposures):
    """MAST's rates of a waiting exposure may be used: a recipe that starts there is stage 2."""
    rate = entry(product(f"{ROOTS[0]}_rate.fits"))

    kept, waits = settled_exposures([*exposures, rate], [HALF], [DEEP, replace(DEEP, name="b")])

    assert kept == (exposures[2], rate)
    assert [wait.recipe for wait in waits] == ["deep", "deep", "b", "b"]


def test_an_association_of_stage_2_may_wait_too():
    """If it is half updated itself; others of the stage do not."""
    second = association("image2", MOSAIC, f"{ROOTS[0]}_rate.fits")
    other = association("image2", "other", f"{ROOTS[1]}_rate.fits")

    kept, waits = settled_associations(Associations(found=(second, other)), [HALF], [DEEP], 2)

    assert kept.found == (other,)
    assert [(wait.product, wait.cause) for wait in waits] == [(MOSAIC, "unsettled")]
