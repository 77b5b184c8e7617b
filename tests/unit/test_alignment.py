"""Members of a mosaic: the shift that was put in is the shift that is measured."""

import logging
import math

import gwcs
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import ICRS
from astropy.modeling import models
from gwcs import coordinate_frames
from stdatamodels.jwst import datamodels

from jwmirror.engine.alignment import alignment_of
from jwmirror.pipeline.measure.fallbacks import listening
from jwmirror.pipeline.measure.matches import MatchRecorder

ARCSEC = 1 / 3600  # degrees
PIXEL = 0.03 * ARCSEC
SIZE = 100
EXPOSURES = [f"jw01345001001_02101_{number:05d}_nrcb1" for number in (1, 2, 3)]


def write_image(path, ra=80.0, dec=-69.5, turn=0.0):
    """Write an image of SIZE pixels whose centre is at (ra, dec), turned by `turn` degrees."""
    middle = (SIZE - 1) / 2
    to_sky = (
        models.Shift(-middle) & models.Shift(-middle)
        | models.Rotation2D(turn)
        | models.Scale(-PIXEL) & models.Scale(PIXEL)
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(ra, dec, 180)
    )
    detector = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = coordinate_frames.CelestialFrame(name="world", reference_frame=ICRS())
    with datamodels.ImageModel(np.ones((SIZE, SIZE), "f4")) as model:
        model.meta.wcs = gwcs.WCS([(detector, to_sky), (sky, None)])
        model.save(path)
    return path


def mosaic(folder, moves):
    """Write a member for each move (before, after), and measure them: a move is a place."""
    inputs, products = [], []
    for root, (before, after) in zip(EXPOSURES, moves, strict=False):
        inputs.append(write_image(folder / f"{root}_cal.fits", **before))
        products.append(write_image(folder / f"{root}_o001_crf.fits", **after))
    return list(alignment_of(inputs, products).values())


def test_a_shift_that_is_put_in_is_measured(tmp_path):
    """To the east at high declination, over 0 h, and relative to the members that stayed."""
    east = 0.5 * ARCSEC / math.cos(math.radians(-69.5))
    place = {"ra": 0.00001}
    moved = {"ra": 0.00001 - east + 360}

    members = mosaic(tmp_path, [(place, place), (place, moved), (place, place)])

    assert [member["shift"] for member in members] == pytest.approx([0, 500, 0], abs=0.01)
    assert [member["relative_shift"] for member in members] == pytest.approx([0, 500, 0], abs=0.01)


@pytest.mark.parametrize(("still", "moved"), [(1, 1), (1, 2), (2, 2)])
def test_members_in_two_groups_are_as_far_apart_as_the_groups(tmp_path, monkeypatch, still, moved):
    """Not half of it: two members that fit each other badly are noticed as one of many is."""
    monkeypatch.setattr(f"{__name__}.EXPOSURES", [*EXPOSURES, f"{EXPOSURES[0][:-7]}4_nrcb1"])
    place, north = {"dec": -69.5}, {"dec": -69.5 + 0.25 * ARCSEC}

    members = mosaic(tmp_path, [(place, place)] * still + [(place, north)] * moved)

    shifts = sorted(member["relative_shift"] for member in members)
    assert (shifts[0], shifts[-1]) == pytest.approx((0, 250), abs=0.01)


def test_what_moves_all_members_alike_is_no_relative_shift(tmp_path):
    """The alignment with a catalogue corrects the pointing of all."""
    place, moved = {"dec": -69.5}, {"dec": -69.5 + 0.1 * ARCSEC}

    members = mosaic(tmp_path, [(place, moved)] * 3)

    assert [member["shift"] for member in members] == pytest.approx([100] * 3, abs=0.01)
    assert [member["relative_shift"] for member in members] == pytest.approx([0] * 3, abs=0.01)


def test_a_rotation_is_measured_with_its_sign(tmp_path):
    """From north to east; the centre stays."""
    (member,) = mosaic(tmp_path, [({"turn": 10}, {"turn": 10 + 20 * ARCSEC})])

    assert member["rotation"] == pytest.approx(20, abs=0.01)
    assert member["shift"] == pytest.approx(0, abs=0.01)


def test_overlap_is_the_area_that_other_exposures_cover(tmp_path):
    """Half of one member, and nothing of one that is far away."""
    half = {"dec": -69.5 + SIZE / 2 * PIXEL}
    far = {"dec": -69.0}

    members = mosaic(tmp_path, [({}, {}), (half, half), (far, far)])

    assert [member["overlap"] for member in members] == pytest.approx([0.5, 0.5, 0], abs=0.03)


def test_a_single_exposure_has_nothing_to_be_compared_with(tmp_path):
    """Its detectors do not overlap by design."""
    (member,) = mosaic(tmp_path, [({}, {})])

    assert member == {"shift": 0, "rotation": 0}


def test_members_without_a_product_or_coordinates_have_no_quantities(tmp_path):
    """As after a skipped outlier detection, or where a file has no WCS."""
    cal = write_image(tmp_path / f"{EXPOSURES[0]}_cal.fits")
    crf = tmp_path / f"{EXPOSURES[0]}_o001_crf.fits"
    with datamodels.ImageModel((8, 8)) as model:
        model.save(crf)

    assert alignment_of([cal], []) == {}
    assert alignment_of([cal], [crf]) == {}


def test_matches_and_residuals_are_read_as_tweakwcs_logs_them():
    """By exposure; what others log has no part."""
    recorder, log = MatchRecorder(), logging.getLogger("tweakwcs.wcsimage")
    group = f"GROUP ID: {EXPOSURES[1][:-6]}"

    with listening(recorder):
        log.warning("Found %d matches for '%s'...", 65, group)
        log.warning("Computed '%s' fit for '%s':", "shift", group)
        log.warning("FIT RMSE: %.6g   FIT MAE: %.6g", 0.004, 0.003)
        logging.getLogger("tweakwcs.other").warning("Found %d matches for '%s'...", 1, group)

    assert recorder.of_exposure(EXPOSURES[1][:-6]) == {"matched": 65, "residual": 4}
    assert recorder.of_exposure(EXPOSURES[0][:-6]) == {}
