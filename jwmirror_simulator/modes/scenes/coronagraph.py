"""NRC_CORON: a planet beside a star; the image of another star is subtracted."""

from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from stdatamodels.jwst.datamodels import ImageModel, NrcImgPhotomModel, PsfMaskModel

from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Camera, Window
from jwmirror_simulator.modes.instruments.pointing import sky_offset, to_pixels
from jwmirror_simulator.modes.instruments.references import (
    save_photom,
    set_window,
    write_optics,
    write_pixels,
)
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.telescope.detectors import random_numbers
from jwmirror_simulator.telescope.ramps import light_of

FILTER, PUPIL, EXP_TYPE = "F335M", "MASKRND", "NRC_CORON"
NRCALONG = Camera(
    instrument="NIRCAM", detector="NRCALONG", module="A", channel="LONG", v2=87.3, v3=-405.8,
    scale=0.063, middle=(1023.5, 1023.5), axes=(-1, 2),
)  # fmt: skip
SUB320 = Window(name="SUB320A335R", columns=320, rows=320, corner=(865, 865), frame_time=1.06904)
STAR, OTHER_STAR = SkyCoord(107.0, -5.0, unit="deg"), SkyCoord(107.5, -5.2, unit="deg")
ROLLS = (10.0, 35.0)  # degrees
PLANET = (0.9, 0.55)  # arcsec east and north of the star
PLANET_FLUX = 2.4e-4  # Jy
SKY = 5.0  # DN/s
BRIGHTER = 1.6  # the other star than this one
SPECKLES, SPECKLE, RING = 60, 2.5, (4.0, 28.0)  # number; width, and distance from the star, pixels
BRIGHTEST = 700.0  # DN/s of a speckle
MJSR_PER_DN = 2.0
APERTURE, AROUND = 3.5, (6.0, 9.0)  # pixels: radius, and ring in which the background is measured


def _exposure(
    observation: int, star: SkyCoord, target: str, roll: float, is_psf: bool
) -> ModeExposure:
    return ModeExposure(
        program=PROGRAM,
        observation=observation,
        number=1,
        camera=NRCALONG,
        window=SUB320,
        exp_type=EXP_TYPE,
        filter=FILTER,
        pupil=PUPIL,
        target=target,
        template="NIRCam Coronagraphic Imaging",
        ra=star.ra.deg,
        dec=star.dec.deg,
        roll=roll,
        groups=4,
        integrations=2,
        cards=(
            ("exposure.psf_reference", is_psf),
            ("instrument.coronagraph", "MASKA335R"),
            ("dither.primary_type", "NONE"),
        ),
        cells=(("IS_PSF", "T" if is_psf else "F"), ("APERNAME", "NRCA5_MASK335R")),
        candidates=(("c1001", "CORONAGRAPHY"),),
    )


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the light that passes the mask: star, planet if there is one, and sky."""
    if exposure.target != "PLANET-1":
        return SKY + BRIGHTER * _halo()
    planet = sky_offset(STAR, *PLANET).reshape((1,))
    x, y = to_pixels(NRCALONG, SUB320, STAR, exposure.roll, planet)
    rate = PLANET_FLUX / (MJSR_PER_DN * NRCALONG.pixel_area * 1e6)
    return SKY + _halo() + light_of(SUB320.columns, x, y, np.array([rate]))


def _halo() -> np.ndarray:
    """Return the speckles (DN/s) around a star, which are the same at every roll angle."""
    dice = random_numbers("speckles", NRCALONG.detector)
    rows, columns = np.mgrid[: SUB320.rows, : SUB320.columns] - (SUB320.rows - 1) / 2
    light = np.zeros(SUB320.shape)
    for _ in range(SPECKLES):
        far, angle = dice.uniform(*RING), dice.uniform(0, 2 * np.pi)
        x, y = far * np.cos(angle), far * np.sin(angle)
        peak = BRIGHTEST * dice.uniform(0.1, 1)
        light += peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SPECKLE**2))
    return light


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, NRCALONG, SUB320, (FILTER,))
    write_optics(writer, NRCALONG, EXP_TYPE, FILTER, PUPIL)
    save_photom(
        writer, NRCALONG, EXP_TYPE, NrcImgPhotomModel,
        filter=FILTER, pupil=PUPIL, photmjsr=MJSR_PER_DN, uncertainty=0.01,
    )  # fmt: skip
    mask = PsfMaskModel(data=np.ones(SUB320.shape, "f4"))
    writer.put("psfmask", (EXP_TYPE,), set_window(mask, NRCALONG, SUB320))


CORONAGRAPH = Mode(
    name="coronagraph",
    exposures=(
        *(_exposure(5 + n, STAR, "PLANET-1", roll, False) for n, roll in enumerate(ROLLS)),
        _exposure(7, OTHER_STAR, "ALONE-1", ROLLS[0], True),
    ),
    light_of=_light_of,
    write_references=_write_references,
    keys={},
)


def measured_planet(image: Path) -> float:
    """Return measured / true flux at the planet's position in an `_i2d.fits` of coron3."""
    with ImageModel(image) as model:
        x, y = model.meta.wcs.invert(*_degrees(sky_offset(STAR, *PLANET)))
        data = np.nan_to_num(model.data.astype(float))
        area = model.meta.photometry.pixelarea_steradians
    rows, columns = np.indices(data.shape)
    far = np.hypot(columns - x, rows - y)
    inside, around = far < APERTURE, (far > AROUND[0]) & (far < AROUND[1])
    light = (data[inside] - np.median(data[around])).sum()
    return float(light * area * 1e6 / PLANET_FLUX)


def _degrees(place_: SkyCoord) -> tuple[float, float]:
    return place_.ra.deg, place_.dec.deg
