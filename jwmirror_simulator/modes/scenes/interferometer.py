"""NIS_AMI: a close pair of stars through a mask with seven holes, and a single star."""

from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from stdatamodels.jwst.datamodels import NRMModel, ThroughputModel

from jwmirror_simulator.crds.parameters import Step, put_step
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Camera, Window
from jwmirror_simulator.modes.instruments.references import EXP_TYPE as BY_TYPE
from jwmirror_simulator.modes.instruments.references import write_optics, write_pixels
from jwmirror_simulator.modes.mode import PROGRAM, Mode

FILTER, PUPIL, EXP_TYPE = "F480M", "NRM", "NIS_AMI"
NIS = Camera(
    instrument="NIRISS", detector="NIS", v2=-290.1, v3=-697.5, scale=0.0656,
    middle=(1083.0, 41.0), axes=(-2, -1), gain=1.6, readpatt="NISRAPID",
)  # fmt: skip
SUB80 = Window(name="SUB80", columns=80, rows=80, corner=(1045, 1), frame_time=0.07544)
BAND = (4.67e-6, 4.97e-6)  # m
HOLES = (
    (0.0, -2.64), (-2.28631, 0.0), (2.28631, -1.32), (-2.28631, 1.32), (-1.14315, 1.98),
    (2.28631, 1.32), (1.14315, 1.98),
)  # m, x and y of their middles as the mask was designed  # fmt: skip
HOLE = 0.8  # m, from side to side of a hexagon
PUPIL_SIZE, PUPIL_PIXELS = 6.603464, 256  # m, pixels
STRETCH = np.array([[0.99854, 0.00727008], [-0.00618605, 0.99282]]) / 0.991415
"""How the optics distort the image, in rows and columns, as jwst presumes."""
PLACE = (42.0, 38.0)  # row and column of the star, from 0
COMPANION = (0.11, 0.16)  # arcsec east and north of the star
RATIO = 0.06  # of the companion's light to the star's
LIGHT = 4.0e6  # DN/s
SKY = 5.0  # DN/s
IMAGE2 = Step(  # jwst has no photometry of NIRISS by integrations
    "jwst.pipeline.calwebb_image2.Image2Pipeline",
    steps=(("photom", Step("jwst.photom.photom_step.PhotomStep", (("skip", True),))),),
)
FINE = 3  # points along each side of a pixel


def _exposure(observation: int, target: str, ra: float, is_psf: bool) -> ModeExposure:
    return ModeExposure(
        program=PROGRAM,
        observation=observation,
        number=1,
        camera=NIS,
        window=SUB80,
        exp_type=EXP_TYPE,
        filter=FILTER,
        pupil=PUPIL,
        target=target,
        template="NIRISS Aperture Masking Interferometry",
        ra=ra,
        dec=12.0,
        groups=5,
        integrations=3,
        cards=(
            ("exposure.psf_reference", is_psf),
            ("target.proper_motion_ra", 0.0),
            ("target.proper_motion_dec", 0.0),
            ("target.ra_uncertainty", 0.0),
            ("target.dec_uncertainty", 0.0),
            ("dither.primary_type", "NONE"),
        ),
        cells=(("IS_PSF", "T" if is_psf else "F"), ("APERNAME", "NIS_AMI1")),
        candidates=(("c1002", "AMI"),),
    )


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the fringes of the star and of its companion, if it has one, and the sky."""
    light = _fringes(*PLACE)
    if exposure.target == "BINARY-1":
        right, up = -COMPANION[0] / NIS.scale, COMPANION[1] / NIS.scale
        light = light + RATIO * _fringes(PLACE[0] + up, PLACE[1] + right)
    return SKY + LIGHT * light


def _fringes(row: float, column: float) -> np.ndarray:
    """Return the image of a point source (pixels from 0); a centred one has the sum 1."""
    return _image(row, column) / _image(*PLACE).sum()


@cache
def _image(row: float, column: float) -> np.ndarray:
    """Return the image of a point source in arbitrary units, with FINE x FINE points per pixel."""
    points = (np.arange(SUB80.rows * FINE) - (FINE - 1) / 2) / FINE  # pixels
    down, across = (np.deg2rad(NIS.scale / 3600) * (points - place) for place in (row, column))
    pupil = (_holes()[:, None] + _hole()).reshape(-1, 2) @ STRETCH
    light = np.zeros((points.size, points.size))
    for wavelength in np.linspace(*BAND, 7):
        turn = -2j * np.pi / wavelength
        waves = np.exp(turn * np.outer(down, pupil[:, 0])) @ np.exp(
            turn * np.outer(pupil[:, 1], across)
        )
        light += np.abs(waves) ** 2
    return light.reshape(SUB80.rows, FINE, SUB80.columns, FINE).sum(axis=(1, 3))


def _holes() -> np.ndarray:
    """Return the hole positions (m) along rows and columns of the detector: (7, 2)."""
    return -np.array(HOLES)[:, ::-1]


def _hole() -> np.ndarray:
    """Return points (m) that fill a hexagon around 0, along rows and columns: (n, 2)."""
    points = np.stack(np.meshgrid(*2 * [np.arange(-5, 6) * HOLE / 9.3]), axis=-1).reshape(-1, 2)
    return points[_in_hexagon(*points.T)]


def _in_hexagon(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    half = np.maximum(np.abs(row), np.abs(row) / 2 + np.abs(column) * np.sqrt(3) / 2)
    return half <= HOLE / 2


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, NIS, SUB80, (FILTER,))
    write_optics(writer, NIS, EXP_TYPE, FILTER, PUPIL)
    _write_mask(writer)
    metres = np.linspace(4.6e-6, 5.04e-6, 221)
    passes = (metres >= BAND[0]) & (metres <= BAND[1])
    columns = [("wavelength", "f4"), ("throughput", "f4")]  # angstrom, fraction
    table = np.rec.fromarrays([metres * 1e10, passes], dtype=columns)
    throughput = ThroughputModel(filter_table=table)
    throughput.meta.instrument.filter = FILTER
    writer.put("throughput", (EXP_TYPE,), throughput)
    put_step(writer, (EXP_TYPE,), IMAGE2)


def _write_mask(writer: ReferenceWriter) -> None:
    """Save the mask: positions of the holes, and an image."""
    metres = (np.arange(PUPIL_PIXELS) - (PUPIL_PIXELS - 1) / 2) * PUPIL_SIZE / PUPIL_PIXELS
    rows, columns = np.meshgrid(metres, metres, indexing="ij")
    picture = np.zeros(rows.shape, "f4")
    for row, column in _holes():
        picture[_in_hexagon(rows - row, columns - column)] = 1
    model = NRMModel(nrm=picture)
    model.flat_to_flat, model.diameter, model.pupil_circumscribed = HOLE, PUPIL_SIZE, PUPIL_SIZE
    for number, (x, y) in enumerate(HOLES, 1):
        setattr(model, f"x_a{number}", x)
        setattr(model, f"y_a{number}", y)
    writer.put("nrm", (EXP_TYPE,), model)


INTERFEROMETER = Mode(
    name="interferometer",
    exposures=(_exposure(8, "BINARY-1", 200.0, False), _exposure(9, "SINGLE-1", 201.0, True)),
    light_of=_light_of,
    write_references=_write_references,
    keys={IMAGE2.kind: (BY_TYPE,)},
)


def measured_companion(observables: Path) -> float:
    """Return measured / true light of the companion from closure phases of an `_aminorm-oi.fits`.

    To first order, closure phases are proportional to the companion's light.
    """
    triangles = fits.getdata(observables, "OI_T3")
    (wavelength,) = np.unique(fits.getdata(observables, "OI_WAVELENGTH")["EFF_WAVE"])
    east, north = np.deg2rad(np.array(COMPANION) / 3600)

    def visibility(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        waves = np.exp(-2j * np.pi * (u * east + v * north) / wavelength)
        return (1 + RATIO * waves) / (1 + RATIO)

    first = triangles["U1COORD"], triangles["V1COORD"]
    second = triangles["U2COORD"], triangles["V2COORD"]
    third = first[0] + second[0], first[1] + second[1]
    expected = np.angle(visibility(*first) * visibility(*second) * np.conj(visibility(*third)))
    measured = np.deg2rad(triangles["T3PHI"])
    return float((measured * expected).sum() / (expected**2).sum())
