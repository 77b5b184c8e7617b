"""MIR_IMAGE: stars at four dithers; the pointing of three dithers is slightly wrong."""

from dataclasses import replace
from functools import cache

import numpy as np
from astropy.coordinates import SkyCoord
from stdatamodels.jwst.datamodels import MirImgApcorrModel, MirImgPhotomModel

from jwmirror_simulator.crds.parameters import SOURCE_CATALOG_STEP, TWEAKREG_STEP, put_step
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import Dither, ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Window
from jwmirror_simulator.modes.instruments.miri import MIRIMAGE
from jwmirror_simulator.modes.instruments.pointing import sky_offset, to_pixels, to_sky
from jwmirror_simulator.modes.instruments.references import EXP_TYPE as BY_TYPE
from jwmirror_simulator.modes.instruments.references import (
    save_photom,
    write_apertures,
    write_optics,
    write_pixels,
)
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.telescope.detectors import random_numbers
from jwmirror_simulator.telescope.exposures import POINTING_ERROR
from jwmirror_simulator.telescope.ramps import light_of

FILTER, EXP_TYPE = "F770W", "MIR_IMAGE"
SUB128 = Window(name="SUB128", columns=128, rows=128, corner=(5, 889), frame_time=0.119)
CAMERA = replace(MIRIMAGE, middle=(68.0, 952.0))
CENTRE, ROLL = SkyCoord(83.6, -66.0, unit="deg"), 40.0
DITHERS = ((0.0, 0.0), (1.1, 0.6), (-0.7, 1.0), (-0.9, -0.8))  # arcsec east and north
STARS, APART, MARGIN = 24, 12.0, 20  # number; pixels between two; pixels off the edge
FLUXES = (1e-3, 1e-2)  # Jy, of the faintest and the brightest
MJSR_PER_DN = 1.0
SKY = 100.0  # DN/s


def _exposure(number: int) -> ModeExposure:
    offset = DITHERS[number - 1]
    looks_at = sky_offset(CENTRE, *offset)
    return ModeExposure(
        program=PROGRAM,
        observation=3,
        number=number,
        camera=CAMERA,
        window=SUB128,
        exp_type=EXP_TYPE,
        filter=FILTER,
        target="FIELD-1",
        template="MIRI Imaging",
        ra=looks_at.ra.deg,
        dec=looks_at.dec.deg,
        roll=ROLL,
        groups=6,
        hits=5e-4,
        dither=Dither("4-POINT-SETS", number, len(DITHERS), offset),
        cards=(("target.ra", CENTRE.ra.deg), ("target.dec", CENTRE.dec.deg)),
    )


@cache
def stars() -> tuple[SkyCoord, np.ndarray]:
    """Return the positions of the stars, and their fluxes in Jy."""
    dice = random_numbers("stars", EXP_TYPE)
    found = np.empty((0, 2))
    while len(found) < STARS:
        place = dice.uniform(MARGIN, SUB128.columns - MARGIN, 2)
        if (np.hypot(*(found - place).T) > APART).all():
            found = np.vstack([found, place])
    places = to_sky(CAMERA, SUB128, CENTRE, ROLL, *found.T)
    low, high = np.log(FLUXES)
    return places, np.exp(dice.uniform(low, high, STARS))


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the light of the stars at the true pointing of the telescope."""
    places, fluxes = stars()
    aside = random_numbers("pointing", exposure.root).uniform(0, 2 * np.pi)
    miss = POINTING_ERROR / 3600 * (exposure.number > 1) * np.array([np.cos(aside), np.sin(aside)])
    looks_at = SkyCoord(exposure.ra, exposure.dec, unit="deg").spherical_offsets_by(
        *miss * CENTRE.ra.unit
    )
    x, y = to_pixels(CAMERA, SUB128, looks_at, ROLL, places)
    rates = fluxes / (MJSR_PER_DN * CAMERA.pixel_area * 1e6)
    return SKY + light_of(SUB128.columns, x, y, rates)


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, CAMERA, SUB128, (FILTER,))
    write_optics(writer, CAMERA, EXP_TYPE, FILTER)
    save_photom(
        writer, CAMERA, EXP_TYPE, MirImgPhotomModel,
        filter=FILTER, subarray=SUB128.name, photmjsr=MJSR_PER_DN, uncertainty=0.01,
    )  # fmt: skip
    write_apertures(writer, EXP_TYPE, MirImgApcorrModel, 4.4, filter=FILTER, subarray=SUB128.name)
    for step in (TWEAKREG_STEP, SOURCE_CATALOG_STEP):
        put_step(writer, (EXP_TYPE,), step)


MIRI_IMAGE = Mode(
    name="imager",
    exposures=tuple(_exposure(number) for number in range(1, len(DITHERS) + 1)),
    light_of=_light_of,
    write_references=_write_references,
    keys=dict.fromkeys((TWEAKREG_STEP.kind, SOURCE_CATALOG_STEP.kind), (BY_TYPE,)),
    stars=stars,
)
