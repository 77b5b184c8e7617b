"""References that every camera needs, written from its properties."""

import numpy as np
from astropy import units
from astropy.modeling.models import AffineTransformation2D, Shift
from astropy.table import Table
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import JwstDataModel

from jwmirror_simulator.crds.nircam import ENCIRCLED
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.instruments.cameras import Camera, Window, bias_of, flat_of
from jwmirror_simulator.telescope.detectors import PSF_SIGMA

DETECTOR, FILTER = "META.INSTRUMENT.DETECTOR", "META.INSTRUMENT.FILTER"
EXP_TYPE, SUBARRAY = "META.EXPOSURE.TYPE", "META.SUBARRAY.NAME"
OF_PIXELS = ("mask", "saturation", "linearity", "gain", "readnoise", "superbias", "area")
OF_OPTICS = (
    "distortion", "filteroffset", "photom", "apcorr", "abvegaoffset", "specwcs", "extract1d",
    "psfmask", "nrm", "throughput", "wavelengthrange", "bkg",
    "cubepar", "regions",
)  # fmt: skip
KEYS = {
    **dict.fromkeys(OF_PIXELS, (DETECTOR, SUBARRAY)),
    "flat": (DETECTOR, FILTER, SUBARRAY),
    **dict.fromkeys(OF_OPTICS, (EXP_TYPE,)),
}
SATURATION = 60000.0  # DN
FLAGS = np.array(
    [(0, 1, "DO_NOT_USE", "of no use")],
    dtype=[("BIT", "i4"), ("VALUE", "u4"), ("NAME", "U40"), ("DESCRIPTION", "U80")],
)


def write_pixels(
    writer: ReferenceWriter, camera: Camera, window: Window, filters: tuple[str, ...]
) -> None:
    """Save the pixel references of a window, and its flat in each filter ("" is none)."""
    good, ones = np.zeros(window.shape, "u4"), np.ones(window.shape, "f4")
    line = np.stack([0 * ones, ones])  # coefficients of read -> true DN
    here = (camera.detector, window.name)
    models = {
        "mask": datamodels.MaskModel(dq=good, dq_def=FLAGS),
        "saturation": datamodels.SaturationModel(data=SATURATION * ones, dq=good),
        "linearity": datamodels.LinearityModel(coeffs=line, dq=good),
        "gain": datamodels.GainModel(data=camera.gain * ones),
        # CRDS keeps the noise of a difference of two reads
        "readnoise": datamodels.ReadnoiseModel(data=np.sqrt(2) * camera.read_noise * ones),
    }
    if camera.instrument != "MIRI":
        bias = bias_of(camera, window)
        models["superbias"] = datamodels.SuperBiasModel(data=bias, err=ones, dq=good)
    for kind, model in models.items():
        writer.put(kind, here, set_window(model, camera, window))
    area = datamodels.PixelAreaModel(data=ones)
    area.meta.instrument.detector = camera.detector
    set_pixel_area(area, camera)
    writer.put("area", here, area)
    for name in filters:
        flat = datamodels.FlatModel(
            data=flat_of(camera, window, name), err=0.001 * ones, dq=good, dq_def=FLAGS
        )
        flat.meta.instrument.filter = name or None
        match = (camera.detector, name or "N/A", window.name)
        writer.put("flat", match, set_window(flat, camera, window))


def write_optics(
    writer: ReferenceWriter, camera: Camera, exp_type: str, filter_name: str, pupil: str = "N/A"
) -> None:
    """Save distortion (full-frame pixels from 0 to V2, V3 in arcsec) and filter offsets."""
    x, y = camera.middle
    transform = (
        Shift(-x) & Shift(-y)
        | AffineTransformation2D(camera.matrix)
        | Shift(camera.v2) & Shift(camera.v3)
    )
    distortion = datamodels.DistortionModel(
        model=transform, input_units=units.pix, output_units=units.arcsec
    )
    offset = {"filter": filter_name, "pupil": pupil, "column_offset": 0.0, "row_offset": 0.0}
    filteroffset = datamodels.FilteroffsetModel(filters=[offset], instrument=camera.instrument)
    for kind, model in (("distortion", distortion), ("filteroffset", filteroffset)):
        model.meta.instrument.detector = camera.detector
        model.meta.instrument.channel = camera.channel or "N/A"
        model.meta.instrument.module = camera.module or None
        model.meta.instrument.p_pupil = "CLEAR|"
        model.meta.exposure.type = exp_type
        writer.put(kind, (exp_type,), model, ".asdf")


def save_photom(
    writer: ReferenceWriter,
    camera: Camera,
    exp_type: str,
    model_class: type[JwstDataModel],
    **cells: object,
) -> None:
    """Save a photometric table of one row; `cells` are its columns, in order."""
    kinds = {str: "S17", int: "i2", float: "f4"}
    columns = [
        (name, "f4", value.shape) if isinstance(value, np.ndarray) else (name, kinds[type(value)])
        for name, value in cells.items()
    ]
    model = model_class(phot_table=np.array([tuple(cells.values())], dtype=columns))
    model.meta.instrument.detector, model.meta.exposure.type = camera.detector, exp_type
    set_pixel_area(model, camera)
    writer.put("photom", (exp_type,), model)


def write_apertures(
    writer: ReferenceWriter,
    exp_type: str,
    model_class: type[JwstDataModel],
    vega_offset: float,
    **optics: str,
) -> None:
    """Save aperture corrections (Gaussian stars after resampling) and a Vega offset in magnitudes.

    `optics` are the first columns of the table of corrections: filter, and pupil or subarray.
    """
    sigma = np.sqrt(PSF_SIGMA**2 + 2 / 12)  # a pixel spreads light by 1/12, twice
    radii = sigma * np.sqrt(-2 * np.log(1 - ENCIRCLED))
    rows = [
        (*optics.values(), fraction, radius, 1 / fraction, 6.0, 9.0)
        for fraction, radius in zip(ENCIRCLED, radii, strict=True)
    ]
    numbers = [(name, "f4") for name in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    table = np.array(rows, dtype=[*((name, "S15") for name in optics), *numbers])
    apcorr = model_class(apcorr_table=table)
    apcorr.meta.exposure.type = exp_type
    writer.put("apcorr", (exp_type,), apcorr)
    columns = {name: [value] for name, value in optics.items() if name != "subarray"}
    vega = datamodels.ABVegaOffsetModel()
    vega.abvega_offset = Table(columns | {"abvega_offset": np.array([vega_offset], "f4")})
    writer.put("abvegaoffset", (exp_type,), vega, ".asdf")


def set_pixel_area(model: JwstDataModel, camera: Camera) -> None:
    """Set the pixel area in a reference."""
    model.meta.photometry.pixelarea_steradians = camera.pixel_area
    model.meta.photometry.pixelarea_arcsecsq = camera.scale**2


def set_window(model: JwstDataModel, camera: Camera, window: Window) -> JwstDataModel:
    """Set detector and window of a reference; return the same model."""
    model.meta.instrument.detector = camera.detector
    meta = model.meta.subarray
    meta.name = window.name
    meta.xstart, meta.ystart = window.corner
    meta.xsize, meta.ysize = window.columns, window.rows
    meta.fastaxis, meta.slowaxis = camera.axes
    return model
