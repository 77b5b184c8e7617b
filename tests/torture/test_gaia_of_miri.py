"""A mosaic of MIRI aligned to Gaia: 24 stars, larger pixels, calibrated exposures of MAST."""

import shutil

import pytest

from demo.site import Site
from jwmirror_simulator.observatory import Observatory
from jwmirror_simulator.telescope.photometry import compare
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of jwst; make torture runs it")

ALIGN = {
    "abs_refcat": "GAIADR3",
    "abs_minobj": 6,
    "abs_searchrad": 1.0,
    "abs_separation": 0.5,
    "abs_tolerance": 0.3,  # arcsec; the first guess of the shift is coarse
    "abs_fitgeometry": "shift",
}


def test_a_mosaic_of_miri_is_aligned_to_gaia(tmp_path, built_modes):
    """Its stars are within 10 mas of the truth, a tenth of a pixel; the result is sound."""
    shutil.copytree(built_modes, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    program = {"program": 1346, "observations": [3], "products": ["cal", "asn", "pool"]}
    parameters = {"image3": {"tweakreg": ALIGN}}
    with observatory.serve():
        site = Site(tmp_path, observatory)
        recipe = {"stages": [3], "parameters": parameters, "where": []}
        site.configure(programs=[program], recipes={"deep": recipe})

        site.snakemake()

        queries = observatory.catalogue.requests
    (path,) = (site.mirror / "current" / "recalibrated" / "deep").glob("*/o003/*_cat.ecsv")
    measured = compare(path, tmp_path / "observatory" / "truth.ecsv")
    assert site.tally().computed == {"image3": 1} and len(queries) == 1
    assert {row.quality for row in site.entries().values() if row.key} == {"sound"}
    assert measured.recovered == 1 and measured.offset_mas < 10
