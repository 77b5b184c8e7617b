"""Plans of one mirror: levels are planned upon each other, and never upon another state."""

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Plan
from jwmirror.core.model.association import Associations
from jwmirror.pipeline.derivation import engine
from jwmirror.services.run.plan import Bench, Held
from tests.setup.plans import DEEP, MOSAIC, Observatory, exposure, image2, image3

HELD = Held(entries=(), associations=Associations())
OLDER = {**engine(), "jwst": "1.20.2"}


@pytest.mark.parametrize(
    ("context", "engines"), [("jwst_0002.pmap", engine()), ("jwst_0001.pmap", OLDER)]
)
def test_levels_of_two_states_are_not_put_together(empty_mirror, context, engines):
    """CRDS or jwst changed between the plans of two levels: members would be of both."""
    below = Plan(context=context, engines={"deep": engines}, batches={})

    with pytest.raises(CalibrationError, match="recipe deep: the levels below were planned with"):
        Bench(empty_mirror.root).plans(HELD, [DEEP], Observatory(), 16, below=[below])


def test_levels_of_one_state_are(empty_mirror):
    """The next two follow at once where there is nothing to compute."""
    below = Plan(context="jwst_0001.pmap", engines={"deep": engine()}, batches={})

    plans = Bench(empty_mirror.root).plans(HELD, [DEEP], Observatory(), 16, below=[below])

    assert [plan.context for plan in plans] == ["jwst_0001.pmap"] * 2


def test_what_a_later_level_refuses_is_known_before_the_first_job(empty_mirror):
    """Mosaics that cannot be made are told when the exposures are planned, and once."""
    bench, observatory = Bench(empty_mirror.root), Observatory(gaps={"image3"})
    associations = Associations(found=(*image2(1, 2).found, *image3(1, 2).found))
    held = Held(entries=(exposure(1), exposure(2)), associations=associations)

    plans = bench.plans(held, [DEEP], observatory, 16)
    (refused,) = bench.refused_later(held, [DEEP], observatory, plans)

    assert [plan.failures for plan in plans] == [()]
    assert (refused.product, refused.why) == (
        MOSAIC,
        "image3: jwst_0001.pmap has no flat reference",
    )
    assert bench.refused_later(held, [DEEP], observatory, [*plans, *plans, *plans]) == ()
