"""MIR_MRS: a star in channels 1 and 2 at two dithers, and empty sky beside it."""

from dataclasses import dataclass, replace
from pathlib import Path

import asdf
import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.modeling import CompoundModel
from astropy.modeling.models import Polynomial1D, Polynomial2D, Shift
from scipy.special import erf
from stdatamodels.jwst.datamodels import (
    DistortionMRSModel,
    Extract1dIFUModel,
    JwstDataModel,
    MiriIFUCubeParsModel,
    MirMrsPhotomModel,
    RegionsModel,
    SpecwcsModel,
    WavelengthrangeModel,
)

from jwmirror_simulator.crds.parameters import Step, put_step
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import Dither, ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Window
from jwmirror_simulator.modes.instruments.miri import MIRIMAGE
from jwmirror_simulator.modes.instruments.pointing import offsets_from
from jwmirror_simulator.modes.instruments.references import EXP_TYPE as BY_TYPE
from jwmirror_simulator.modes.instruments.references import write_pixels
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.telescope.detectors import random_numbers

EXP_TYPE, BAND = "MIR_MRS", "SHORT"
CAMERA = replace(MIRIMAGE, detector="MIRIFUSHORT", channel="12", v2=-503.65, v3=-318.74)
# all columns, as jwst has the columns of a channel in its code; few wavelengths
SLICES = Window(name="FULL", columns=1032, rows=64, corner=(1, 1), frame_time=2.775)
STAR, EMPTY, ROLL = SkyCoord(120.0, 30.0, unit="deg"), SkyCoord(120.1, 30.0, unit="deg"), 25.0
DITHERS = ((0.31, -0.22), (-0.29, 0.27))  # arcsec along and across the slices
WIDTH = 0.28  # arcsec, standard deviation of the star's image
RADIUS = 1.1  # arcsec, of the extraction
FLUX = 0.05  # Jy at 5 micron
MJSR_PER_DN = 20.0
SKY = 400.0  # MJy/sr
WARM, WARMTH = 40, 60.0  # number of pixels that no reference flags, and DN/s of each

SPEC2 = Step(  # as flight: one cube of both channels for each exposure
    "jwst.pipeline.calwebb_spec2.Spec2Pipeline",
    steps=(
        (
            "cube_build",
            Step("jwst.cube_build.cube_build_step.CubeBuildStep", (("output_type", "multi"),)),
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Slices on the left or right half of the detector, each `width` columns wide."""

    number: int
    count: int  # of slices
    first: int  # column
    width: int  # columns
    along: float  # arcsec in a column
    across: float  # arcsec in a slice
    start: float  # micron, in the first row
    step: float  # micron from row to row

    @property
    def name(self) -> str:
        """Channel and band: 1SHORT."""
        return f"{self.number}{BAND}"

    @property
    def labels(self) -> range:
        """Numbers of the slices: 101, 102..."""
        return range(100 * self.number + 1, 100 * self.number + self.count + 1)

    @property
    def lowest(self) -> float:
        """Position (arcsec) of the first slice's middle across the slices."""
        return -self.across * (self.count - 1) / 2

    @property
    def end(self) -> float:
        """Wavelength (micron) of the last row."""
        return self.start + self.step * (SLICES.rows - 1)

    def middle(self, index: int) -> float:
        """Return the middle column of a slice, from 0."""
        return self.first + self.width * index + (self.width - 1) / 2


CHANNELS = (
    Channel(
        number=1, count=21, first=12, width=23, along=0.196, across=0.177, start=4.9, step=0.008
    ),
    Channel(
        number=2, count=17, first=518, width=30, along=0.196, across=0.28, start=7.5, step=0.012
    ),
)


def flux_at(wavelength: np.ndarray) -> np.ndarray:
    """Return the star's flux (Jy) at a wavelength in micron."""
    return FLUX * (5 / wavelength) ** 1.5


def warm_pixels() -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns (from 0) of pixels that are warm in every exposure."""
    dice = random_numbers("warm", CAMERA.detector)
    return dice.integers(8, SLICES.rows - 8, WARM), dice.integers(20, 480, WARM)


def _exposure(observation: int, number: int) -> ModeExposure:
    empty = observation == 12
    along, across = DITHERS[number - 1]
    place = EMPTY if empty else STAR
    return ModeExposure(
        program=PROGRAM,
        observation=observation,
        number=number,
        camera=CAMERA,
        window=SLICES,
        exp_type=EXP_TYPE,
        filter="",
        target="SKY-1" if empty else "STANDARD-2",
        template="MIRI Medium Resolution Spectroscopy",
        ra=place.ra.deg,
        dec=place.dec.deg,
        roll=ROLL,
        groups=6,
        hits=1e-4,
        dither=Dither("2-POINT", number, len(DITHERS), (along, across)),
        cards=(
            ("instrument.band", BAND),
            ("observation.bkgdtarg", empty),
            ("target.source_type_apt", "UNKNOWN" if empty else "POINT"),
            ("wcsinfo.v2_ref", CAMERA.v2 - along),
            ("wcsinfo.v3_ref", CAMERA.v3 - across),
        ),
        cells=(("BKGDTARG", "T" if empty else "F"), ("BAND", BAND)),
        candidates=(("c1003", "BACKGROUND"),),
    )


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the sky, the warm pixels, and the star, unless the sky alone is observed."""
    light = np.zeros(SLICES.shape)
    light[warm_pixels()] += WARMTH
    looks_at = SkyCoord(exposure.ra, exposure.dec, unit="deg")
    star = offsets_from(looks_at, ROLL, STAR) - DITHERS[exposure.number - 1]
    for channel in CHANNELS:
        wavelength = channel.start + channel.step * np.arange(SLICES.rows)
        flux = 0 * wavelength if exposure.target == "SKY-1" else flux_at(wavelength)
        for index, columns in _slices(channel):
            part = _image(channel, index, columns, star)
            light[:, columns] += (SKY + np.outer(flux, part)) / MJSR_PER_DN
    return light


def _slices(channel: Channel) -> list[tuple[int, np.ndarray]]:
    """Return the index (from 0) and the columns of each slice."""
    return [
        (index, channel.first + channel.width * index + np.arange(channel.width))
        for index in range(channel.count)
    ]


def _image(channel: Channel, index: int, columns: np.ndarray, star: np.ndarray) -> np.ndarray:
    """Return the brightness (MJy/sr) of a star of 1 Jy in the columns of a slice."""

    def fraction(middle: np.ndarray, size: float) -> np.ndarray:
        edges = (middle + np.array([[-size / 2], [size / 2]])) / (np.sqrt(2) * WIDTH)
        return np.diff(erf(edges), axis=0)[0] / 2

    along = channel.along * (columns - channel.middle(index)) - star[0]
    across = channel.lowest + channel.across * index - star[1]
    light = fraction(along, channel.along) * fraction(np.array([across]), channel.across)
    return light / 1e6 / (np.deg2rad(1 / 3600) ** 2 * channel.along * channel.across)


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, CAMERA, SLICES, ("",))
    _write_geometry(writer)
    _put(writer, "cubepar", _cubes(), ".fits")
    _put(writer, "photom", _photometry(), ".fits")
    with asdf.config_context() as config:
        config.array_inline_threshold = 100  # jwst reads the arrays after it has closed the file
        _put(writer, "extract1d", _extraction())
    put_step(writer, (EXP_TYPE,), SPEC2)


def _put(
    writer: ReferenceWriter, kind: str, model: JwstDataModel, extension: str = ".asdf"
) -> None:
    model.meta.instrument.detector, model.meta.instrument.channel = CAMERA.detector, CAMERA.channel
    model.meta.instrument.band, model.meta.exposure.type = BAND, EXP_TYPE
    writer.put(kind, (EXP_TYPE,), model, extension)


def _write_geometry(writer: ReferenceWriter) -> None:
    """Save which pixel sees which place at which wavelength."""
    labels = np.zeros(SLICES.shape, "i4")
    alpha, beta, x, y, wavelength = [], [], [], [], []
    for channel in CHANNELS:
        for index, columns in _slices(channel):
            labels[:, columns] = channel.labels[index]
            middle, pixel = channel.middle(index), channel.along
            alpha.append(Polynomial2D(1, c0_0=-pixel * middle, c0_1=pixel))  # of row and column
            beta.append(Polynomial1D(1, c0=channel.lowest + channel.across * index))
            wavelength.append(Polynomial2D(1, c0_0=channel.start, c1_0=channel.step))
            x.append(Polynomial2D(1, c0_0=middle, c0_1=1 / pixel))  # of wavelength and alpha
            y.append(Polynomial2D(1, c0_0=-channel.start / channel.step, c1_0=1 / channel.step))
    names = [channel.name for channel in CHANNELS]
    distortion = DistortionMRSModel(
        x_model=x, y_model=y, alpha_model=alpha, beta_model=beta,
        bzero={"channel_band": names, "beta_zero": [channel.lowest for channel in CHANNELS]},
        bdel={"channel_band": names, "delta_beta": [channel.across for channel in CHANNELS]},
        input_units=units.pix, output_units=units.arcsec,
    )  # fmt: skip
    distortion.slices = [label for channel in CHANNELS for label in channel.labels]
    distortion.abv2v3_model = {"channel_band": names, "model": [_to_v2v3() for _ in CHANNELS]}
    _put(writer, "distortion", distortion)
    specwcs = SpecwcsModel(model=wavelength, input_units=units.pix, output_units=units.micron)
    specwcs.slices = distortion.slices
    _put(writer, "specwcs", specwcs)
    # one mask for each of nine throughputs; jwst takes the one for 80 %
    _put(writer, "regions", RegionsModel(regions=np.stack(9 * [labels])))
    half = [channel.step / 2 for channel in CHANNELS]
    ranges = [[c.start - h, c.end + h] for c, h in zip(CHANNELS, half, strict=True)]
    _put(
        writer,
        "wavelengthrange",
        WavelengthrangeModel(wrange_selector=names, wrange=ranges, wunits=units.micron),
    )


def _to_v2v3() -> CompoundModel:
    """Return the transform from places along and across the slices to V2 and V3 (arcsec)."""
    forward = Shift(CAMERA.v2) & Shift(CAMERA.v3)
    forward.inverse = Shift(-CAMERA.v2) & Shift(-CAMERA.v3)
    return forward


def _cubes() -> MiriIFUCubeParsModel:
    """Return the size of spaxels and the wavelengths of cubes."""
    model = MiriIFUCubeParsModel()
    rows = [
        (str(channel.number), BAND, 0.13, channel.step, channel.start, channel.end)
        for channel in CHANNELS
    ]
    model.ifucubepars_table = np.array(rows, dtype=model.get_dtype("ifucubepars_table"))
    wavelengths = [
        (wavelength,)
        for channel in CHANNELS
        for wavelength in np.arange(channel.start, channel.end, channel.step)
    ]
    kind = "ifucubepars_multichannel_driz_wavetable"
    setattr(model, kind, np.array(wavelengths, dtype=model.get_dtype(kind)))
    return model


def _extraction() -> Extract1dIFUModel:
    """Return the aperture at each wavelength."""
    micron = np.linspace(4, 12, 9)
    model = Extract1dIFUModel()
    model.data = {
        "wavelength": micron, "wavelength_units": "micron",
        "radius": 0 * micron + RADIUS, "radius_units": "arcsec",
        "inner_bkg": 0 * micron + 1.3, "inner_bkg_units": "arcsec",
        "outer_bkg": 0 * micron + 1.7, "outer_bkg_units": "arcsec",
        "axis_ratio": 0 * micron + 1, "axis_pa": 0 * micron, "axis_pa_units": "degrees",
    }  # fmt: skip
    model.meta.region_type, model.meta.method = "target", "subpixel"
    model.meta.subtract_background, model.meta.subpixels = False, 10
    return model


def _photometry() -> MirMrsPhotomModel:
    """Return MJy/sr per DN/s and the area (arcsec^2) of each pixel."""
    area = np.ones(SLICES.shape, "f4")
    for channel in CHANNELS:
        for _, columns in _slices(channel):
            area[:, columns] = channel.along * channel.across
    model = MirMrsPhotomModel(
        data=np.full(SLICES.shape, MJSR_PER_DN, "f4"), err=np.zeros(SLICES.shape, "f4"),
        dq=np.zeros(SLICES.shape, "u4"), pixsiz=area,
    )  # fmt: skip
    model.meta.photometry.conversion_megajanskys = MJSR_PER_DN
    model.meta.photometry.pixelarea_arcsecsq = float(area.min())
    model.meta.photometry.pixelarea_steradians = float(area.min()) * np.deg2rad(1 / 3600) ** 2
    return model


MRS = Mode(
    name="slices",
    exposures=(_exposure(11, 1), _exposure(11, 2), _exposure(12, 1)),
    light_of=_light_of,
    write_references=_write_references,
    keys={SPEC2.kind: (BY_TYPE,)},
)


def measured_star(spectrum: Path) -> float:
    """Return the median of measured / true flux of an `_x1d.fits`, without its ends."""
    table = fits.getdata(spectrum, "EXTRACT1D")[3:-3]
    return float(np.median(table["FLUX"] / flux_at(table["WAVELENGTH"])))
