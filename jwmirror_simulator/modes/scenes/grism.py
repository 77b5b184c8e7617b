"""NIS_WFSS: stars at two dithers, first through a filter alone, then also through a grism.

Spectra run along columns, each star's in columns without other light.
"""

from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.modeling.models import Polynomial1D, Polynomial2D
from stdatamodels.jwst.datamodels import (
    NIRISSGrismModel,
    NisImgApcorrModel,
    NisImgPhotomModel,
    NisWfssPhotomModel,
    WavelengthrangeModel,
    WfssBkgModel,
)

from jwmirror_simulator.crds.parameters import SOURCE_CATALOG_STEP, TWEAKREG_STEP, put_step
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import Dither, ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Window, flat_of
from jwmirror_simulator.modes.instruments.pointing import sky_offset, to_pixels, to_sky
from jwmirror_simulator.modes.instruments.references import EXP_TYPE as BY_TYPE
from jwmirror_simulator.modes.instruments.references import (
    save_photom,
    set_window,
    write_apertures,
    write_optics,
    write_pixels,
)
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.modes.scenes.interferometer import NIS
from jwmirror_simulator.telescope.ramps import STAMP, light_of, profile_of

IMAGE, SPECTRA = "NIS_IMAGE", "NIS_WFSS"  # exposure types
NO_GRISM, GRISM, BAND = "CLEAR", "GR150R", "F200W"  # filter, filter, and pupil
SUB256 = Window(name="SUB256", columns=256, rows=256, corner=(1, 1), frame_time=0.68)
CAMERA = replace(NIS, middle=(128.0, 128.0))
CENTRE, ROLL = SkyCoord(53.2, -27.8, unit="deg"), 65.0
DITHERS = ((0.0, 0.0), (0.4, -0.3))  # arcsec east and north
COLUMNS = 32.3 + 30.1 * np.arange(7)  # of the stars at the first dither, from 0
ROWS = 128 + 24 * np.cos(1.9 * np.arange(len(COLUMNS)))
FLUXES = np.array([0.6, 0.9, 0.5, 2.0, 0.8, 0.7, 1.0])  # mJy at 2 micron
TARGET = 3  # index of the brightest
LINE, LINE_WIDTH, LINE_HEIGHT = 1.95, 0.02, 0.5  # micron, micron, part of the flux at 2 micron
WAVELENGTHS = (1.75, 2.23)  # micron, at both ends of a spectrum
TRACE = (-52.0, 48.0)  # rows of these ends above the star
DISPERSION = (WAVELENGTHS[1] - WAVELENGTHS[0]) / (TRACE[1] - TRACE[0])  # micron per pixel
FILTER_WHEEL = 354.1  # degrees
MJSR_PER_DN = 0.5  # of images
MJSR_MICRON_PER_DN = 0.05  # of spectra, where the response is 1
SKY = 30.0  # DN/s


def flux_at(wavelength: np.ndarray) -> np.ndarray:
    """Return the flux at a wavelength (micron), relative to the continuum at 2 micron."""
    line = LINE_HEIGHT * np.exp(-(((wavelength - LINE) / LINE_WIDTH) ** 2) / 2)
    return 2 / wavelength + line


def _response(wavelength: np.ndarray) -> np.ndarray:
    """Return how much light filter and grism leave, relative to 2 micron."""
    return 1 - 2 * (wavelength - 2.0) ** 2


def _sky() -> np.ndarray:
    """Return the sky (DN/s) through the grism, which is brighter on the right."""
    return np.broadcast_to(SKY * np.linspace(0.7, 1.3, SUB256.columns), SUB256.shape)


def _exposure(number: int, position: int, exp_type: str) -> ModeExposure:
    offset, pattern = DITHERS[position - 1], "WFSS" if exp_type == SPECTRA else "IMAGING"
    looks_at = sky_offset(CENTRE, *offset)
    return ModeExposure(
        program=PROGRAM,
        observation=10,
        number=number,
        camera=CAMERA,
        window=SUB256,
        exp_type=exp_type,
        filter=GRISM if exp_type == SPECTRA else NO_GRISM,
        pupil=BAND,
        target="FIELD-2",
        template="NIRISS Wide Field Slitless Spectroscopy",
        ra=looks_at.ra.deg,
        dec=looks_at.dec.deg,
        roll=ROLL,
        groups=5,
        hits=2e-4,
        dither=Dither(pattern, position, len(DITHERS), offset),
        cards=(
            ("target.ra", CENTRE.ra.deg),
            ("target.dec", CENTRE.dec.deg),
            ("instrument.filter_position", FILTER_WHEEL),
            ("wcsinfo.s_region", _footprint(looks_at)),
        ),
    )


def _footprint(looks_at: SkyCoord) -> str:
    """Return S_REGION, which jwst does not compute for a grism."""
    left, right, low, high = -0.5, SUB256.columns - 0.5, -0.5, SUB256.rows - 0.5
    x, y = np.array([left, right, right, left]), np.array([low, low, high, high])
    corners = to_sky(CAMERA, SUB256, looks_at, ROLL, x, y)
    degrees = np.column_stack([corners.ra.deg, corners.dec.deg]).ravel()
    return "POLYGON ICRS  " + " ".join(f"{angle:.9f}" for angle in degrees)


@cache
def stars() -> SkyCoord:
    """Return the positions of the stars, in the order of FLUXES."""
    return to_sky(CAMERA, SUB256, CENTRE, ROLL, COLUMNS, ROWS)


def _fluxes_in_band() -> np.ndarray:
    """Return the fluxes (Jy) of the stars through the filter alone."""
    return FLUXES / 1000 * flux_at(np.linspace(*WAVELENGTHS, 1000)).mean()


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the sky and the stars, or the stars' spectra."""
    looks_at = SkyCoord(exposure.ra, exposure.dec, unit="deg")
    x, y = to_pixels(CAMERA, SUB256, looks_at, ROLL, stars())
    if exposure.exp_type == SPECTRA:
        return _sky() + _spectra(x, y)
    rates = _fluxes_in_band() / (MJSR_PER_DN * CAMERA.pixel_area * 1e6)
    return SKY + light_of(SUB256.columns, x, y, rates)


def _spectra(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the spectra (DN/s) of stars at these pixels."""
    light, rows = np.zeros(SUB256.shape), np.arange(SUB256.rows)
    for column, row, flux in zip(x, y, FLUXES, strict=True):
        along = rows - row - TRACE[0]  # pixels from the spectrum's lower end
        wavelength = WAVELENGTHS[0] + DISPERSION * along
        rate = flux / 1000 * flux_at(wavelength) * _response(wavelength)
        rate *= DISPERSION / (MJSR_MICRON_PER_DN * CAMERA.pixel_area * 1e6)
        seen = (along >= 0) & (along <= TRACE[1] - TRACE[0])
        middle = round(column)
        light[:, middle - STAMP : middle + STAMP + 1] += np.outer(
            seen * rate, profile_of(column - middle)
        )
    return light


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, CAMERA, SUB256, (NO_GRISM, GRISM))
    for exp_type, filter_name in ((IMAGE, NO_GRISM), (SPECTRA, GRISM)):
        write_optics(writer, CAMERA, exp_type, filter_name, BAND)
    save_photom(
        writer, CAMERA, IMAGE, NisImgPhotomModel,
        filter=NO_GRISM, pupil=BAND, photmjsr=MJSR_PER_DN, uncertainty=0.01,
    )  # fmt: skip
    micron = np.linspace(1.7, 2.3, 61)
    save_photom(
        writer, CAMERA, SPECTRA, NisWfssPhotomModel,
        filter=GRISM, pupil=BAND, order=1, photmjsr=MJSR_MICRON_PER_DN, uncertainty=0.01,
        nelem=len(micron), wavelength=micron, relresponse=1 / _response(micron),
        reluncertainty=0 * micron,
    )  # fmt: skip
    write_apertures(writer, IMAGE, NisImgApcorrModel, 1.7, filter=NO_GRISM, pupil=BAND)
    _write_dispersion(writer)
    # the sky is subtracted before the flat is divided out
    sky = WfssBkgModel(data=(_sky() * flat_of(CAMERA, SUB256, GRISM)).astype("f4"))
    sky.meta.instrument.filter, sky.meta.instrument.pupil = GRISM, BAND
    writer.put("bkg", (SPECTRA,), set_window(sky, CAMERA, SUB256))
    for step in (TWEAKREG_STEP, SOURCE_CATALOG_STEP):
        put_step(writer, (IMAGE,), step)


def _write_dispersion(writer: ReferenceWriter) -> None:
    """Save where the light of each wavelength falls, and the wavelengths to extract."""
    (low, high), (bottom, top) = WAVELENGTHS, TRACE
    still = [Polynomial2D(1, c0_0=0.0), Polynomial2D(1, c0_0=0.0)]
    moves = [Polynomial2D(1, c0_0=bottom), Polynomial2D(1, c0_0=top - bottom)]
    trace = NIRISSGrismModel(
        displ=[Polynomial1D(1, c0=low, c1=high - low)],
        invdispl=[Polynomial1D(1, c0=-low / (high - low), c1=1 / (high - low))],
        dispx=[still], dispy=[moves], orders=[1], fwcpos_ref=FILTER_WHEEL,
    )  # fmt: skip
    trace.meta.input_units, trace.meta.output_units = units.micron, units.micron
    trace.meta.instrument.filter, trace.meta.instrument.pupil = GRISM, BAND
    ranges = WavelengthrangeModel(
        wrange_selector=[BAND], wrange=[[1, BAND, low, high]], order=[1],
        extract_orders=[[BAND, [1]]], wunits=units.micron,
    )  # fmt: skip
    ranges.meta.instrument.detector, ranges.meta.exposure.type = CAMERA.detector, SPECTRA
    writer.put("specwcs", (SPECTRA,), trace, ".asdf")
    writer.put("wavelengthrange", (SPECTRA,), ranges, ".asdf")


GRISM_SPECTRA = Mode(
    name="grism",
    exposures=tuple(
        _exposure(number, position, exp_type)
        for number, (exp_type, position) in enumerate(
            product((IMAGE, SPECTRA), range(1, len(DITHERS) + 1)), 1
        )
    ),
    light_of=_light_of,
    write_references=_write_references,
    keys=dict.fromkeys((TWEAKREG_STEP.kind, SOURCE_CATALOG_STEP.kind), (BY_TYPE,)),
    stars=lambda: (stars(), _fluxes_in_band()),
)


def measured_source(spectra: Path) -> float:
    """Return the median of measured / true flux of the brightest star.

    `spectra` is an `_x1d.fits` of spec2 or spec3 (its first exposure is measured), or a
    `_c1d.fits`.
    """
    table = fits.getdata(spectra, 1)
    places = SkyCoord(table["SOURCE_RA"], table["SOURCE_DEC"], unit="deg")
    row = table[places.separation(stars()[TARGET]).argmin()]
    wavelength, flux = row["WAVELENGTH"], row["FLUX"]
    inside = (wavelength > WAVELENGTHS[0] + 0.03) & (wavelength < WAVELENGTHS[1] - 0.03)
    true = FLUXES[TARGET] / 1000 * flux_at(wavelength[inside])
    return float(np.median(flux[inside] / true))
