"""Plans while MAST has half updated an association: it waits, the others go on."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Entry, Recipe, canonical
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import Unsettled
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
