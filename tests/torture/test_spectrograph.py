"""MIRI's integral-field spectrograph end to end: two channels, a background, bad pixels."""

import json
from pathlib import Path

import pytest
from astropy.io import fits

from demo.site import Site
from jwmirror.store.provenance import Provenance
from jwmirror_simulator.modes.program import build
from jwmirror_simulator.modes.scenes import slices
from tests.modes.checks import CHECKS as ALL_CHECKS
from tests.setup.plain_jwst import differing_arrays
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of jwst; make torture runs it")

CHECKS = [check for check in ALL_CHECKS if check.mode is slices.MRS]
OTHER_BAD_PIXEL = 2**30  # of DQ
PROGRAMS = [{"program": 1346, "products": ["uncal", "asn", "pool"]}]
RECIPES = {
    "plain": {"stages": [1, 2, 3]},
    "clean": {"stages": [1, 2, 3], "parameters": {"spec2": {"badpix_selfcal": {"skip": False}}}},
}


STAR, SKY = (
    slices.MRS.exposures[n].filename.replace("_uncal", "_rate") for n in (0, -1)
)  # the first and the last exposure


def write_list(folder: Path) -> str:
    """An association as people write it: the sky as background, and for self-calibration."""
    roles = {"science": STAR, "background": SKY, "selfcal": SKY}
    members = [{"expname": name, "exptype": role} for role, name in roles.items()]
    content = {"asn_type": "None", "asn_rule": "DMSLevel2bBase", "program": "noprogram"}
    path = folder / "selfcal.json"
    path.write_text(json.dumps({**content, "products": [{"name": "listed", "members": members}]}))
    return str(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site after its first run on an observatory with this spectrograph alone."""
    folder = tmp_path_factory.mktemp("spectrograph")
    observatory = build(folder / "observatory", (slices.MRS,))
    with observatory.serve():
        site = Site(folder, observatory)
        listed = RECIPES["clean"] | {"stages": [1, 2], "associations": [write_list(folder)]}
        again = {"extends": "plain", "steps": ["spec3.cube_build", "spec3.extract_1d"]}
        recipes = {"deep": None, "listed": listed, "again": again, **RECIPES}
        site.configure(programs=PROGRAMS, recipes=recipes)
        site.snakemake()
        yield site


def published(site: Site, recipe: str, pattern: str) -> list[Path]:
    """The recalibrated files that the current generation shows so."""
    return sorted((site.mirror / "current" / "recalibrated" / recipe / "jw01346").glob(pattern))


def test_all_levels_are_made(site):
    """The exposures with their background, then cubes and spectra of both channels.

    The empty sky has no background, so that two recipes share its product of stage 3.
    """
    single_steps = {"spec3.cube_build": 3, "spec3.extract_1d": 3}
    assert site.tally().computed == {"detector1": 3, "spec2": 7, "spec3": 5, **single_steps}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_spectrum_has_the_flux_of_the_star(site, recipe, check):
    """The sky having been subtracted."""
    (spectrum,) = published(site, recipe, check.product)

    assert check.holds(spectrum), check.measure(spectrum)


def test_products_equal_those_of_plain_jwst(site):
    """The archive's products were made by jwst alone, with the same references."""
    ours = published(site, "plain", "**/*.fits")

    assert {path.name.rpartition("_")[2] for path in ours} >= {"cal.fits", "s3d.fits", "x1d.fits"}
    differing = {
        path.name: differing_arrays(path, site.observatory.archive.path(path.name)) for path in ours
    }
    assert not any(differing.values()), differing


def test_single_steps_equal_those_of_the_pipeline(site):
    """All cubes of the bands, and their spectra; no step runs after `extract_1d` in these bands."""
    again = published(site, "again", "**/*.fits")
    plain = [*published(site, "plain", "**/*_s3d.fits"), *published(site, "plain", "**/*_x1d.fits")]

    assert {path.name for path in again} == {
        path.name
        for path in plain
        if path.name.startswith("jw01346-")  # of stage 3
    }
    differing = {
        path.name: differing_arrays(path, site.observatory.archive.path(path.name))
        for path in again
    }
    assert not any(differing.values()), differing


def test_warm_pixels_are_found_in_the_background(site):
    """badpix_selfcal reads the background members; without it no pixel is flagged."""
    plain, clean = (
        published(site, recipe, "o011/*_00001_mirifushort_cal.fits")[0]
        for recipe in ("plain", "clean")
    )
    before, after = (fits.getdata(path, "DQ") & OTHER_BAD_PIXEL > 0 for path in (plain, clean))

    assert fits.getheader(clean)["S_BPXSLF"] == "COMPLETE"
    assert not before.any()
    assert after[slices.warm_pixels()].all()


def test_one_file_is_background_and_selfcal(site):
    """An own list: the warm pixels are flagged, and the provenance has both roles."""
    (path,) = published(site, "listed", "o011/listed_cal.fits")
    flags = fits.getdata(path, "DQ") & OTHER_BAD_PIXEL > 0
    row = next(row for row in site.entries().values() if row.path.endswith("/listed_cal.fits"))

    assert flags[slices.warm_pixels()].all()
    record = Provenance(site.mirror).read(row.key)
    assert [(item.name, item.role) for item in record.derivation.inputs] == [
        (STAR, "science"), (SKY, "background"), (SKY, "selfcal"),
    ]  # fmt: skip
