"""Every mode of the simulated telescope: plain jwst recovers the truth of each."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from jwmirror_simulator.mast.client import products, rows
from jwmirror_simulator.modes.instruments.pointing import to_pixels, to_sky
from jwmirror_simulator.modes.mode import Mode, expose
from jwmirror_simulator.modes.pool import pool_text
from jwmirror_simulator.modes.program import MODES
from jwmirror_simulator.modes.scenes import (
    coronagraph,
    dark,
    grism,
    imager,
    interferometer,
    slices,
    slit,
    transit,
)
from jwmirror_simulator.observatory import Observatory
from jwmirror_simulator.telescope.photometry import compare

LEVEL_3 = [
    "jw01346-o001_20260101t000000_tso3_00001_asn.json",
    "jw01346-o002_20260101t000000_spec3_00001_asn.json",
    "jw01346-o003_20260101t000000_image3_00001_asn.json",
    "jw01346-c1001_20260101t000000_coron3_00001_asn.json",
    "jw01346-c1002_20260101t000000_ami3_00001_asn.json",
    "jw01346-o010_20260101t000000_image3_00001_asn.json",
    "jw01346-o010_20260101t000000_spec3_00001_asn.json",
]


@pytest.fixture(scope="module")
def observatory(built_modes) -> Observatory:
    """The built observatory, to look at."""
    return Observatory.open(built_modes)


def made(observatory: Observatory, ending: str) -> Path:
    """The one product of which the name ends so."""
    (name,) = (name for name in observatory.archive.filenames() if name.endswith(ending))
    return observatory.archive.path(name)


def members_of(observatory: Observatory, name: str) -> tuple[str, dict[str, str]]:
    """Type and members (file name -> exptype) of an association of the archive."""
    from jwst.associations import load_asn

    table = load_asn(observatory.archive.path(name).read_text())
    (product,) = table["products"]
    return table["asn_type"], {each["expname"]: each["exptype"] for each in product["members"]}


# ---- what is exposed -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", (*MODES, slices.MRS), ids=lambda mode: mode.name)
def test_exposures_are_written_the_same_each_time(mode: Mode, tmp_path):
    """Each mode's files are named as MAST does, and equal byte for byte when written again."""
    first, second = expose(mode, tmp_path / "a"), expose(mode, tmp_path / "b")

    assert [path.name for path in first] == [exposure.filename for exposure in mode.exposures]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))
    for path, exposure in zip(first, mode.exposures, strict=True):
        header = fits.getheader(path)
        assert (header["EXP_TYPE"], header["FILENAME"]) == (exposure.exp_type, path.name)


def test_a_long_exposure_comes_in_segments():
    """Both files of the time series know the whole exposure, and which part of it they hold."""
    first, second = transit.TRANSIT.exposures

    assert second.filename == "jw01346001001_02101_00001-seg002_nrcb1_uncal.fits"
    assert (first.whole, second.first) == (36, 19)
    assert (first.begin, first.end) == (second.begin, second.end)


def test_light_of_the_transit_falls_by_two_per_cent():
    """Integrations in the transit have 2 % less of the star's light than those out of it."""
    first, second = (
        transit.TRANSIT.light_of(exposure) - transit.SKY for exposure in transit.TRANSIT.exposures
    )

    light = np.concatenate([first, second]).sum(axis=(1, 2))

    assert light[12] / light[0] == pytest.approx(0.98)
    assert np.flatnonzero(light < light[0] * 0.99).tolist() == list(range(12, 24))


def test_pixels_and_sky_are_each_others_inverse():
    """Going to the sky and back returns to the pixel, at any roll."""
    x, y = np.array([0.0, 50.5, 127.0]), np.array([127.0, 3.2, 64.0])
    where = (imager.CAMERA, imager.SUB128, SkyCoord(83.6, -66.0, unit="deg"), 40.0)

    back = to_pixels(*where, to_sky(*where, x, y))

    np.testing.assert_allclose(back, (x, y), atol=1e-6)


def test_pool_says_which_exposures_belong_together():
    """The star for comparison is marked, and shares its candidate with the science exposures."""
    head, *lines = pool_text(coronagraph.CORONAGRAPH.exposures).splitlines()

    cells = [dict(zip(head.split("|"), line.split("|"), strict=True)) for line in lines]

    assert [each["IS_PSF"] for each in cells] == ["F", "F", "T"]
    assert all("('c1001', 'CORONAGRAPHY')" in each["ASN_CANDIDATE"] for each in cells)


# ---- what operations make of it --------------------------------------------------------------


@pytest.mark.slow
def test_transit_is_as_deep_as_it_is(observatory):
    """tso3 measures the 2 % dip within 0.3 %."""
    dip = transit.measured_dip(made(observatory, "_phot.ecsv"))

    assert dip == pytest.approx(transit.DIP, abs=0.003)


@pytest.mark.slow
def test_spectrum_has_the_flux_of_the_star(observatory):
    """spec3 measures the flux within 5 %, its two nods having taken each other's sky away."""
    flux = slit.measured_flux(made(observatory, "p750l-subslit_x1d.fits"))

    assert flux == pytest.approx(1, abs=0.05)
    with fits.open(made(observatory, "002001_02101_00001_mirimage_cal.fits")) as hdus:
        assert hdus[0].header["S_BKDSUB"] == "COMPLETE"


@pytest.mark.slow
def test_miri_image_has_its_stars(observatory):
    """image3 finds the stars in place and flux."""
    measured = compare(made(observatory, "f770w-sub128_cat.ecsv"), observatory.truth(3, "F770W"))

    assert measured.good, measured


@pytest.mark.slow
def test_dark_keeps_its_current(observatory):
    """The dark pipeline leaves a ramp that grows as the current does, more at the right."""
    left, right = dark.measured_current(made(observatory, "_dark.fits"))

    assert left == pytest.approx(dark.CURRENT * 5 / 6, rel=0.01)
    assert right == pytest.approx(dark.CURRENT * 7 / 6, rel=0.01)


@pytest.mark.slow
def test_planet_is_seen_beside_its_star(observatory):
    """coron3 takes the star's light away, and leaves the planet's within 10 %."""
    planet = coronagraph.measured_planet(made(observatory, "sub320a335r_i2d.fits"))

    assert planet == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_companion_is_seen_by_its_fringes(observatory):
    """ami3's closure phases are those of the companion within 5 %, at its place."""
    companion = interferometer.measured_companion(made(observatory, "_aminorm-oi.fits"))

    assert companion == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["00003_nis_x1d.fits", "gr150r_x1d.fits", "gr150r_c1d.fits"])
def test_grism_spectrum_has_the_flux_of_the_star(observatory, ending):
    """spec2 and spec3 measure the flux within 5 %, the sky having been subtracted."""
    flux = grism.measured_source(made(observatory, ending))

    assert flux == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_grism_exposure_names_the_products_of_its_direct_images(observatory):
    """The association of a grism exposure has catalogue, segmentation and image as members."""
    kind, members = members_of(observatory, "jw01346-o010_20260101t000000_spec2_00001_asn.json")

    direct = "jw01346-o010_t009_niriss_clear-f200w-sub256"
    assert kind == "spec2"
    assert members == {
        "jw01346010001_02101_00004_nis_rate.fits": "science",
        f"{direct}_cat.ecsv": "sourcecat",
        f"{direct}_segm.fits": "segmap",
        f"{direct}_i2d.fits": "direct_image",
    }
    assert members.keys() <= set(observatory.archive.filenames())


@pytest.mark.slow
@pytest.mark.parametrize("name", LEVEL_3)
def test_members_of_level_3_are_on_offer(observatory, name):
    """jwst found an association of each type, and the archive has all of its members."""
    kind, members = members_of(observatory, name)

    assert kind == name.split("_")[2]
    assert members.keys() <= set(observatory.archive.filenames())
    psf = [name for name, exptype in members.items() if exptype == "psf"]
    assert len(psf) == (kind in ("coron3", "ami3"))


@pytest.mark.slow
def test_modes_are_listed_as_others_are(tmp_path, built_modes):
    """Each instrument's table lists its files, and a product's listing has its exposures."""
    archive = Observatory(shutil.copytree(built_modes, tmp_path / "copy")).archive
    tables = [f"Mast.Jwst.Filtered.{name}" for name in ("Nircam", "Miri", "Niriss")]
    with archive:
        keywords = [row for name in tables for row in rows(archive, name, program=1346)]
        listed = products(archive, "jw01346-o001_t001_nircam_clear-f200w-sub64p")
        exposures = rows(archive, "Mast.Caom.Filtered", proposal_id="1346", calib_level=2)

    on_offer = archive.filenames()
    assert sorted(row["filename"] for row in keywords) == [
        name for name in on_offer if name.endswith(".fits")
    ]
    assert {"jw01346001001_02101_00001-seg001_nrcb1_uncal.fits", LEVEL_3[0]} <= set(listed)
    series = [row for row in exposures if row["dataproduct_type"] == "timeseries"]
    assert [row["instrument_name"] for row in series] == ["NIRCAM/TSIMAGE"] * 2
