"""Three troubles from raw exposures to published qualities; `make torture` plays all of them."""

import pytest

from jwmirror.core.model.quality import CAVEAT
from tests.quality.play import play
from tests.quality.troubles import TROUBLES

FAST = (
    "tweakreg cannot match: minobj 100000",
    "1/f cleaning fails",
    "half a detector dead",
)


@pytest.mark.slow
def test_troubles_are_published_with_their_causes(tmp_path):
    """What a step, the pipeline's log or the pixels say becomes a caveat; members pass it on."""
    outcomes = play([each for each in TROUBLES if each.name in FAST], tmp_path)

    assert [each.trouble.name for each in outcomes if each.has_right_cause] == list(FAST)
    for outcome in outcomes:
        (mosaic,) = (each for each in outcome.results if each.pipeline == "image3")
        assert mosaic.quality.word == CAVEAT
        assert outcome.causes & {*mosaic.causes}
