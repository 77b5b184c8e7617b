"""The workflow with a recipe on the second simulated archive."""

import shutil

import pytest

from demo.site import Site
from jwmirror_simulator.observatory import Observatory
from tests.setup.second_exposure import exposure_archive, take_again
from tests.setup.second_server import served

EXPOSURE = "jw01345002001_02101_00002_nrca1"
IMAGE2 = "jw01345-o002_20260101t000000_image2_00002_asn.json"
NAMES = {IMAGE2, *(f"{EXPOSURE}_{suffix}.fits" for suffix in ("uncal", "rate", "cal"))}


@pytest.mark.slow
def test_a_reprocessed_exposure_is_recalibrated_once(tmp_path, built_observatory):
    """Raw and rate files have neither row nor ETag: the new row of the cal file shows it all."""
    shutil.copytree(built_observatory, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    archive = exposure_archive(observatory.archive.path(name) for name in sorted(NAMES))
    site = Site(tmp_path, observatory)
    recipe = {"stages": [1], "parameters": {"detector1": {"jump": {"skip": True}}}}
    with observatory.serve(), served(archive, 0):
        site.configure(
            archive={"url": archive.url},
            programs=[{"program": 1345}],
            recipes={"deep": {**recipe, "where": []}},
            settle={"accept": [1345]},
        )
        site.snakemake()
        first = site.tally()

        take_again(archive)
        site.snakemake()
        reprocessed, after = site.tally(), published(site)
        archive.downloads.clear()
        site.snakemake()
        unchanged, downloads = site.tally(), archive.downloads

    assert (first.fetched, first.computed) == (NAMES, {"detector1": 1})
    assert reprocessed.fetched == NAMES - {IMAGE2}
    assert reprocessed.computed == {"detector1": 1}
    assert (unchanged.fetched, unchanged.computed, downloads) == (set(), {}, [])
    assert published(site) == after


def published(site: Site) -> dict[str, bytes]:
    """Return the bytes of each file that the current generation shows, by path."""
    current = site.mirror / "current"
    return {path: (current / path).read_bytes() for path in site.entries()}
