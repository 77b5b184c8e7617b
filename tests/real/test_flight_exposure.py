"""A real flight exposure goes the whole way, and impossible ones are refused by name."""

import os
from pathlib import Path

import pytest
from astropy.io import fits

from demo.site import Site
from jwmirror_simulator.observatory import Observatory
from tests.conftest import need

REAL = os.environ.get("JWMIRROR_REAL_DATA", "")
GUIDER = "jw01019001001_gs-acq1_2022117003102_uncal.fits"
CUT = [f"jw01075001001_03105_00009_nrca{n}_uncal.fits" for n in (2, 3, 4)]


@pytest.fixture(scope="module")
def real_site(tmp_path_factory):
    """A site after one run on an observatory that serves real flight exposures."""
    need("" if REAL and Path(REAL).is_dir() else "JWMIRROR_REAL_DATA names no folder")
    folder = tmp_path_factory.mktemp("real")
    exposures = tuple(Path(REAL) / "uncal" / name for name in (GUIDER, *CUT))
    observatory = Observatory.build(folder / "observatory", None, exposures)
    with observatory.serve():
        site = Site(folder, observatory)
        site.configure(
            programs=[{"program": 1019}, {"program": 1075}],
            recipes={"deep": {"parameters": {}, "where": []}},
        )
        site.snakemake(expect=1)  # three exposures are refused
    return site


@pytest.mark.slow
def test_flight_exposure_is_mirrored_and_recalibrated(real_site):
    """The FGS acquisition goes through calwebb_guider with references chosen by CRDS."""
    made = real_site.mirror / "current/recalibrated/deep/jw01019/o001"

    (product,) = made.glob("*_cal.fits")
    with fits.open(product) as hdus:
        header, shape = hdus[0].header, hdus["SCI"].data.shape

    assert product.name == GUIDER.replace("_uncal", "_cal")
    assert header["S_GUICDS"] == "COMPLETE"
    assert header["R_FLAT"].startswith("crds://jwst_fgs_flat")
    assert shape[-2:] == (128, 128)
    upstream = real_site.mirror / "current/upstream/jw01019/o001" / GUIDER
    assert upstream.read_bytes() == (Path(REAL) / "uncal" / GUIDER).read_bytes()


@pytest.mark.slow
def test_exposures_whose_pixels_were_cut_are_refused_by_name(real_site):
    """What cannot be what its header says is held, told with its reason, and spoils nothing."""
    failures = {failure.name: failure.message for failure in real_site.run().failures}

    assert len(failures) == 3
    for name in CUT:
        product = name.removesuffix("_uncal.fits")
        (message,) = (text for failed, text in failures.items() if product in failed)
        assert name in message and "1" in message
        assert f"upstream/jw01075/o001/{name}" in real_site.entries()


@pytest.mark.slow
def test_flight_exposure_has_no_caveat(real_site):
    """No threshold, message or state of a step takes a good flight exposure for a doubtful one."""
    rows = [row for row in real_site.entries().values() if row.origin == "deep"]

    assert {row.filename: (row.quality, row.caveats) for row in rows} == {
        GUIDER.replace("_uncal", "_cal"): ("sound", "")
    }
