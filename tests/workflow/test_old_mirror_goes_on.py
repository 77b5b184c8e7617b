"""Runs of the present workflow on a mirror that version 0.1 made."""

from importlib.metadata import version

import pytest

from jwmirror_simulator.mast.storage import edits
from tests.setup.old_mirror import run_old_mirror, served_old_mirror

NEXT = "jw01345001001_02101_00001_nrcb1_uncal.fits"
MADE_WITH = {"jwst": "3.0.0", "stcal": "1.20.0", "stdatamodels": "6.0.0"}
same_engine = pytest.mark.skipif(
    {name: version(name) for name in MADE_WITH} != MADE_WITH,
    reason=f"the mirror's results were made with {MADE_WITH}",
)


@pytest.fixture
def old_site(tmp_path):
    """The mirror of version 0.1 and its observatory, served."""
    with served_old_mirror(tmp_path) as site:
        yield site


def content_and_state(site) -> dict[str, tuple[str, str]]:
    """Return the sha256 and the state of each file of the current generation, by path."""
    return {path: (entry.sha256, entry.state) for path, entry in site.entries().items()}


@pytest.mark.slow
@same_engine
def test_an_unchanged_old_mirror_costs_nothing(old_site):
    """Nothing is fetched or computed. The first run adds baselines, the second one nothing."""
    before = content_and_state(old_site)

    run_old_mirror(old_site)
    run_old_mirror(old_site)

    assert old_site.tally().fetched == frozenset() and old_site.tally().computed == {}
    assert old_site.observatory.archive.downloads() == []
    assert not old_site.run().published.is_new
    assert content_and_state(old_site) == before


@pytest.mark.slow
@same_engine
def test_only_what_changes_is_made_on_an_old_mirror(old_site):
    """One exposure reprocessed: it alone is fetched, and only what is made of it is computed."""
    old_site.observatory.archive.reprocess(NEXT, edits.same_size)

    run_old_mirror(old_site)

    assert old_site.tally().fetched == {NEXT}
    assert old_site.tally().computed == {"detector1": 1, "image2": 1, "image3": 1}
    assert old_site.run().published.generation == 4
