"""Runs of the present workflow on a mirror that version 0.1 made."""

import os
from importlib.metadata import version

import pytest
import yaml

from demo.site import Site
from jwmirror_simulator.mast.archive import TOKEN
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.observatory import Observatory
from tests.unit.test_old_mirror import unpack

NEXT = "jw01345001001_02101_00001_nrcb1_uncal.fits"
MADE_WITH = {"jwst": "3.0.0", "stcal": "1.20.0", "stdatamodels": "6.0.0"}
same_engine = pytest.mark.skipif(
    {name: version(name) for name in MADE_WITH} != MADE_WITH,
    reason=f"the mirror's results were made with {MADE_WITH}",
)


@pytest.fixture
def old_site(tmp_path):
    """The mirror of version 0.1, its config, and the observatory that it was made from, served."""
    folder = unpack(tmp_path)
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        config = yaml.safe_load(site.config_file.read_text())
        config["mirror"] = str(site.mirror)
        config["archive"]["url"] = observatory.archive_url
        config["references"] |= {
            "url": observatory.references_url,
            "cache": str(folder / "crds_cache"),
        }
        site.config_file.write_text(yaml.safe_dump(config))
        yield site


def run(site: Site) -> None:
    """A run with the token, which finds the user's own function."""
    paths = os.pathsep.join((str(site.folder), os.environ.get("PYTHONPATH", "")))
    site.snakemake(environment={"PYTHONPATH": paths, "MAST_API_TOKEN": TOKEN})


@pytest.mark.slow
@same_engine
def test_an_unchanged_old_mirror_costs_nothing(old_site):
    """Nothing is fetched, nothing computed, and no generation published."""
    before = old_site.entries()

    run(old_site)

    assert old_site.tally().fetched == frozenset() and old_site.tally().computed == {}
    assert old_site.observatory.archive.downloads() == []
    assert not old_site.run().published.is_new
    assert old_site.entries() == before


@pytest.mark.slow
@same_engine
def test_only_what_changes_is_made_on_an_old_mirror(old_site):
    """One exposure reprocessed: it alone is fetched, and only what is made of it is computed."""
    old_site.observatory.archive.reprocess(NEXT, edits.same_size)

    run(old_site)

    assert old_site.tally().fetched == {NEXT}
    assert old_site.tally().computed == {"detector1": 1, "image2": 1, "image3": 1}
    assert old_site.run().published.generation == 4
