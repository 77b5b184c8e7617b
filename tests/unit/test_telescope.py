"""The simulated telescope does what it says: names, repeatable bytes, light in its place."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table

from jwmirror_simulator.telescope import detectors
from jwmirror_simulator.telescope.detectors import DETECTORS, SUBARRAYS
from jwmirror_simulator.telescope.exposures import (
    retake_exposure,
    take_exposure,
    take_exposures,
    true_pointing,
    truth_path,
)
from jwmirror_simulator.telescope.photometry import compare
from jwmirror_simulator.telescope.program import demo_program, exposures_of, with_one_more_dither
from jwmirror_simulator.telescope.ramps import SKY, light_of, rate_of, read_ramps
from jwmirror_simulator.telescope.sky import pointing_of, stars_of

PROGRAM = demo_program()


def test_demo_is_ten_exposures_with_names_as_mast_gives_them():
    """The demo has 4 + 3 exposures of one field and 3 of another, named by visit, group, dither."""
    names = [exposure.filename for exposure in exposures_of(PROGRAM)]

    assert len(set(names)) == 10
    assert names[0] == "jw01345001001_02101_00001_nrcb1_uncal.fits"
    assert names[4] == "jw01345001001_04101_00001_nrcb1_uncal.fits"
    assert names[-1] == "jw01345002001_02101_00003_nrca1_uncal.fits"


def test_one_more_dither_leaves_the_earlier_exposures_alone():
    """A longer sequence adds exactly one exposure, the next of its visit group."""
    longer = with_one_more_dither(PROGRAM, 1, "F200W")

    added = set(exposures_of(longer)) - set(exposures_of(PROGRAM))

    assert [each.filename for each in added] == ["jw01345001001_02101_00005_nrcb1_uncal.fits"]
    assert set(exposures_of(PROGRAM)) < set(exposures_of(longer))


def test_one_more_dither_of_an_unknown_sequence_is_refused():
    """Asking for a filter that the observation does not use says so."""
    with pytest.raises(ValueError, match="no F150W in observation 2"):
        with_one_more_dither(PROGRAM, 2, "F150W")


def test_same_exposure_has_same_bytes(tmp_path):
    """Taking one exposure twice gives equal files, DATE included."""
    exposure = exposures_of(PROGRAM)[1]

    first = take_exposure(PROGRAM, exposure, tmp_path / "a").read_bytes()
    second = take_exposure(PROGRAM, exposure, tmp_path / "b").read_bytes()

    assert first == second


def test_retaken_exposure_has_same_name_header_and_size_but_other_pixels(tmp_path):
    """A reprocessed file cannot be told from the old one by its name, header or size."""
    exposure = exposures_of(PROGRAM)[0]
    old = take_exposure(PROGRAM, exposure, tmp_path / "old")

    again = retake_exposure(PROGRAM, exposure, tmp_path / "new", seed=7)

    new = tmp_path / "new" / again.filename
    assert new.name == old.name
    assert new.stat().st_size == old.stat().st_size
    assert fits.getheader(new).tostring() == fits.getheader(old).tostring()
    assert (fits.getdata(new, "SCI") != fits.getdata(old, "SCI")).any()


def test_whole_program_is_written_with_its_truth(tmp_path):
    """Each observation and filter gets a truth table of as many stars as its field has."""
    short = replace(PROGRAM, observations=PROGRAM.observations[1:])

    exposures = take_exposures(short, tmp_path)

    truth = Table.read(truth_path(tmp_path, 1345, 2, "F200W"))
    assert all((tmp_path / exposure.filename).is_file() for exposure in exposures)
    assert len(truth) == short.observations[0].field.stars
    assert (truth["flux_jy"] > 0).all()


def test_pointing_turns_v3_to_its_position_angle():
    """The field's middle is the middle pixel, and up the V3 axis is at the position angle."""
    pointing = pointing_of(PROGRAM.observations[0])
    tilt = np.deg2rad(pointing.detector.angle)
    x, y = 79.5 + np.array([0, 100 * np.sin(tilt)]), 79.5 + np.array([0, 100 * np.cos(tilt)])

    middle, above = SkyCoord(*pointing.to_sky(x, y), unit="deg")

    reference = SkyCoord(80.0, -69.5, unit="deg")
    assert middle.separation(reference) < 0.01 * units.mas
    assert middle.separation(above).arcsec == pytest.approx(3.11, rel=1e-6)
    assert middle.position_angle(above).deg == pytest.approx(30.0, abs=0.01)


def test_pixels_and_sky_are_each_others_inverse():
    """Going to the sky and back returns to the pixel."""
    pointing = pointing_of(PROGRAM.observations[1])
    x, y = np.array([-20.0, 3.3, 158.7]), np.array([7.0, 190.2, 0.0])

    back = pointing.to_pixels(*pointing.to_sky(x, y))

    np.testing.assert_allclose(back, (x, y), atol=1e-6)


def test_only_later_dithers_miss_their_pointing():
    """The first dither points where its header says, the second 40 mas off it."""
    nominal = pointing_of(PROGRAM.observations[0])
    first, second = exposures_of(PROGRAM)[:2]

    misses = [
        SkyCoord(each.ra, each.dec, unit="deg").separation(SkyCoord(real.ra, real.dec, unit="deg"))
        for each, real in ((e, true_pointing(nominal, e)) for e in (first, second))
    ]

    assert misses[0] == 0
    assert misses[1].mas == pytest.approx(40, abs=0.1)


def test_stars_keep_apart_and_within_the_linear_range():
    """No two stars blend, and a flux turns into light and back without loss."""
    stars = stars_of(PROGRAM.observations[0])
    places = SkyCoord(stars.ra, stars.dec, unit="deg")

    _, apart, _ = places.match_to_catalog_sky(places, nthneighbor=2)
    rates = rate_of(stars.flux_in("F200W"), "F200W")
    light = light_of(160, np.full(len(rates), 80.2), np.full(len(rates), 79.6), rates)

    assert apart.min().arcsec > 0.34
    assert light.sum() == pytest.approx(rates.sum(), rel=1e-4)


def test_ramps_hold_the_light_that_fell():
    """Bias, nonlinearity and flat undone, the median slope is the light's rate."""
    detector, subarray = DETECTORS["NRCB1"], SUBARRAYS["SUB160"]
    light = np.full((160, 160), 3000.0)

    ramps = read_ramps(
        np.random.default_rng(1), light, detector=detector, subarray=subarray,
        filter_name="F200W", groups=5, integrations=1,
    )  # fmt: skip

    read = ramps[0] - detectors.bias_of(detector, subarray)
    straight = read + detectors.NONLINEARITY * read**2
    slope = (straight[4] - straight[0]) / (4 * subarray.frame_time)
    slope /= detectors.flat_of(detector, subarray, "F200W")
    expected = 3000 + SKY / (5 * subarray.frame_time) + detectors.DARK
    assert np.median(slope) == pytest.approx(expected, rel=1e-3)


def test_reference_pixels_of_a_full_frame_see_no_light():
    """Around a FULL frame four pixels stay at the bias, while those inside fill up."""
    detector, full = DETECTORS["NRCB1"], SUBARRAYS["FULL"]
    light = np.full((2048, 2048), 500.0)

    ramps = read_ramps(
        np.random.default_rng(2), light, detector=detector, subarray=full,
        filter_name="F200W", groups=2, integrations=1,
    )  # fmt: skip

    filled = ramps[0, 1] - detectors.bias_of(detector, full)
    edge = detectors.reference_pixels_of(full)
    assert edge.sum() == 4 * 4 * (2048 - 4)
    assert abs(np.median(filled[edge])) < 100
    assert np.median(filled[~edge]) > 8000


def _catalogue(folder, *, east_mas=0.0, flux=1.0, missing=0):
    """A catalogue of 40 stars with given faults, beside their truth; both paths."""
    dice = np.random.default_rng(3)
    ra, dec = 80 + dice.uniform(0, 0.01, 40), 10 + dice.uniform(0, 0.01, 40)
    brightness = dice.uniform(1e-4, 1e-3, 40)
    Table([ra, dec, brightness], names=["ra", "dec", "flux_jy"]).write(folder / "truth.ecsv")
    seen = SkyCoord(ra, dec, unit="deg").spherical_offsets_by(east_mas * units.mas, 0 * units.mas)
    table = QTable([seen, brightness * flux * units.Jy], names=["sky_centroid", "isophotal_flux"])
    table[missing:].write(folder / "cat.ecsv")
    return folder / "cat.ecsv", folder / "truth.ecsv"


def test_true_catalogue_is_good(tmp_path):
    """A catalogue equal to the truth recovers all, with no offset."""
    photometry = compare(*_catalogue(tmp_path))

    assert photometry.good
    assert photometry.recovered == 1
    assert photometry.flux_ratio == pytest.approx(1)


@pytest.mark.parametrize("fault", [{"east_mas": 10.0}, {"flux": 0.9}, {"missing": 4}])
def test_faulty_catalogue_is_not_good(tmp_path, fault):
    """Stars 10 mas off, 10 % too faint, or a tenth of them missing: each alone is seen."""
    assert not compare(*_catalogue(tmp_path, **fault)).good


def test_catalogue_of_another_field_recovers_nothing(tmp_path):
    """Where no star is found, no flux or offset is made up."""
    photometry = compare(*_catalogue(tmp_path, east_mas=3.6e6))

    assert photometry.recovered == 0
    assert np.isnan(photometry.flux_ratio)
    assert not photometry.good
