"""MIR_LRS-FIXEDSLIT: spectrum of a star at two nods in the slit, on a bright background."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from stdatamodels.jwst.datamodels import MiriLRSSpecwcsModel, MirLrsPhotomModel

from jwmirror_simulator.crds.mappings import ORIGIN, USE_AFTER
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import Dither, ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Window
from jwmirror_simulator.modes.instruments.miri import MIRIMAGE
from jwmirror_simulator.modes.instruments.references import save_photom, write_optics, write_pixels
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.telescope.ramps import STAMP, profile_of

FILTER, EXP_TYPE = "P750L", "MIR_LRS-FIXEDSLIT"
SUBSLIT = Window(name="SUBSLIT", columns=80, rows=400, corner=(1, 1), frame_time=0.55)
MIDDLE = (40.0, 299.7)  # column and row, from 0, of the slit's middle at the zero point
SLIT_CAMERA = replace(MIRIMAGE, middle=MIDDLE)
TRACE = np.arange(90, -291, -1)  # rows off the zero point that the spectrum reaches
SLIT = 18  # pixels from its middle to its ends
PATTERN = "ALONG-SLIT-NOD"
NODS = (-12.0, 12.0)  # columns off the middle
FLUX = 2e-3  # Jy at 10 micron
MJSR_PER_DN = 10.0
SKY = 300.0  # DN/s where the background is brightest
WIDTH = 11  # pixels, of the extraction
RA, DEC = 80.5, -69.5


def wavelength_of(row: np.ndarray) -> np.ndarray:
    """Return the wavelength (micron) of rows relative to the zero point: 5 at the top, 14 below."""
    return 5.0 + 9.0 * (TRACE[0] - row) / (TRACE[0] - TRACE[-1])


def flux_at(wavelength: np.ndarray) -> np.ndarray:
    """Return the star's flux (Jy) at a wavelength in micron."""
    return FLUX * (10 / wavelength) ** 2


def _exposure(number: int, nod: float) -> ModeExposure:
    return ModeExposure(
        program=PROGRAM,
        observation=2,
        number=number,
        camera=SLIT_CAMERA,
        window=SUBSLIT,
        exp_type=EXP_TYPE,
        filter=FILTER,
        target="STANDARD-1",
        template="MIRI Low Resolution Spectroscopy",
        ra=RA + nod * MIRIMAGE.scale / 3600 / np.cos(np.deg2rad(DEC)),
        dec=DEC,
        groups=8,
        hits=5e-4,
        dither=Dither(PATTERN, number, len(NODS), (nod * MIRIMAGE.scale, 0.0)),
        cards=(
            ("target.ra", RA),
            ("target.dec", DEC),
            ("target.source_type_apt", "POINT"),
            ("dither.dithered_ra", RA),
            ("dither.dithered_dec", DEC),
        ),
        cells=(("PATTTYPE", PATTERN),),
    )


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the star's trace at its nod, on a background that decreases from top to bottom."""
    nod = NODS[exposure.number - 1]
    light = np.zeros(SUBSLIT.shape)
    light[:] = SKY * np.linspace(0.2, 1, SUBSLIT.rows)[:, None]
    place = round(MIDDLE[0] + nod)
    across = slice(place - STAMP, place + STAMP + 1)
    for row, offset in zip(np.round(MIDDLE[1]).astype(int) + TRACE, TRACE, strict=True):
        flux = flux_at(wavelength_of(offset + np.round(MIDDLE[1]) - MIDDLE[1]))
        rate = flux / (MJSR_PER_DN * MIRIMAGE.pixel_area * 1e6)
        light[row, across] += rate * profile_of(MIDDLE[0] + nod - place)
    return light


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, SLIT_CAMERA, SUBSLIT, (FILTER,))
    write_optics(writer, SLIT_CAMERA, EXP_TYPE, FILTER)
    _write_trace(writer)
    micron = np.linspace(4, 15, 50)
    save_photom(
        writer, SLIT_CAMERA, EXP_TYPE, MirLrsPhotomModel,
        filter=FILTER, subarray=SUBSLIT.name, photmjsr=MJSR_PER_DN, uncertainty=0.01,
        nelem=len(micron), wavelength=micron, relresponse=1 + 0 * micron,
        reluncertainty=0 * micron,
    )  # fmt: skip
    _write_extraction(writer)


def _write_trace(writer: ReferenceWriter) -> None:
    """Save the detector position of each wavelength, relative to the zero point."""
    row = TRACE.astype(float)
    columns = {
        "x_center": 0 * row, "y_center": row, "wavelength": wavelength_of(row),
        "x0": 0 * row - SLIT, "y0": row + 0.5, "x1": 0 * row + SLIT, "y1": row + 0.5,
        "x2": 0 * row + SLIT, "y2": row - 0.5, "x3": 0 * row - SLIT, "y3": row - 0.5,
    }  # fmt: skip
    names = [(name, "f8") for name in columns]
    model = MiriLRSSpecwcsModel(wavetable=np.rec.fromarrays([*columns.values()], dtype=names))
    model.meta.instrument.detector, model.meta.exposure.type = "MIRIMAGE", EXP_TYPE
    model.meta.x_ref, model.meta.y_ref = MIDDLE[0] + 1, MIDDLE[1] + 1
    model.meta.x_ref_slitless, model.meta.y_ref_slitless = 38.5, 829.0
    half = SLIT * SLIT_CAMERA.scale
    for corner, (along, up) in enumerate(((-1, 1), (1, 1), (1, -1), (-1, -1)), 1):
        setattr(model.meta, f"v2_vert{corner}", SLIT_CAMERA.v2 + along * half)
        setattr(model.meta, f"v3_vert{corner}", SLIT_CAMERA.v3 + up * 0.25)
    writer.put("specwcs", (EXP_TYPE,), model)


def _write_extraction(writer: ReferenceWriter) -> None:
    """Save the extraction aperture."""
    aperture = {
        "id": EXP_TYPE, "region_type": "target", "dispaxis": 2, "extract_width": WIDTH,
        "ystart": 12, "ystop": 388, "use_source_posn": True,
    }  # fmt: skip
    whole = {
        "REFTYPE": "EXTRACT1D", "INSTRUME": "MIRI", "TELESCOP": "JWST", "EXP_TYPE": EXP_TYPE,
        "PEDIGREE": "DUMMY", "USEAFTER": USE_AFTER.replace(" ", "T"), "DESCRIP": ORIGIN,
        "AUTHOR": "jwmirror", "apertures": [aperture],
    }  # fmt: skip
    filename = writer.name("extract1d", ".json")
    (writer.references / filename).write_text(json.dumps(whole))
    writer.note("extract1d", (EXP_TYPE,), filename)


SLIT_SPECTRUM = Mode(
    name="slit",
    exposures=tuple(_exposure(number, nod) for number, nod in enumerate(NODS, 1)),
    light_of=_light_of,
    write_references=_write_references,
    keys={},
)


def measured_flux(spectrum: Path) -> float:
    """Return the median of measured / true flux of an `_x1d.fits`, without its ends."""
    table = fits.getdata(spectrum, "EXTRACT1D")
    inside = (table["WAVELENGTH"] > 5.3) & (table["WAVELENGTH"] < 13.5)
    ratio = table["FLUX"][inside] / flux_at(table["WAVELENGTH"][inside])
    return float(np.median(ratio))
