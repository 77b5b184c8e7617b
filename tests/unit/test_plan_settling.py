"""Plans while MAST has half updated an association: it waits, the others go on."""

import pytest

from jwmirror.recalibrate.associations import Association, Associations, Member
from jwmirror.recalibrate.plan import plan_associations, plan_exposures
from jwmirror.records import Entry, Product, Recipe, Unsettled, canonical

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


class Lookups:
    """Nothing made yet; parameters as they are, and no references."""

    context = "jwst_0001.pmap"

    def settle(self, pipeline, header, overrides):
        """What a plan asks of a resolver."""
        return dict(overrides), {}


def nothing(*_):
    """No result of that key, none published."""


@pytest.fixture
def exposures() -> list[Entry]:
    """Three raw exposures."""
    return [
        Entry(
            path=f"upstream/jw01345/o001/{root}_uncal.fits",
            origin="upstream",
            sha256="0" * 64,
            size=1,
            identity=root,
            header=canonical({"meta.exposure.type": "NRC_IMAGE"}),
            product=Product(
                uri=root,
                filename=f"{root}_uncal.fits",
                program=1345,
                observation="o001",
                suffix="u",
            ),
        )
        for root in ROOTS
    ]


def mosaic() -> Associations:
    """An association of the first two."""
    members = tuple(Member(name=f"{root}_cal.fits", exptype="science") for root in ROOTS[:2])
    association = Association(
        name=HALF.association,
        asn_type="image3",
        program=1345,
        candidate="o001",
        product=MOSAIC,
        members=members,
    )
    return Associations(found=(association,))


def test_exposures_of_a_half_updated_association_wait(exposures):
    """Its exposures wait with the reason and the way out; another one is calibrated."""
    recipe = Recipe(name="deep", programs=(1345,), stages=(1,))

    plan = plan_exposures(
        exposures, Associations(), [recipe], Lookups(), nothing, nothing, 16, unsettled=[HALF]
    )

    assert [wait.product for wait in plan.waits] == list(ROOTS[:2])
    assert all(HALF.why in wait.why and "settle.accept" in wait.why for wait in plan.waits)
    chains = [chain for batch in plan.batches.values() for chain in batch]
    assert [chain.product for chain in chains] == [ROOTS[2]]


def test_a_half_updated_association_waits(exposures):
    """It is told as such, not as one whose members are missing."""
    plan = plan_associations(
        exposures, mosaic(), [DEEP], [], Lookups(), nothing, nothing, 16, unsettled=[HALF]
    )

    (wait,) = plan.waits
    assert (wait.product, plan.batches) == (MOSAIC, {})
    assert HALF.why in wait.why
