"""References for NIRCam imaging, with the true properties of the simulated detectors."""

from collections.abc import Sequence

import numpy as np
from astropy import units
from astropy.modeling.models import AffineTransformation2D, Shift
from astropy.table import Table
from stdatamodels.jwst import datamodels

from jwmirror_simulator.crds.writer import ReferenceWriter, set_subarray
from jwmirror_simulator.telescope import detectors as nature
from jwmirror_simulator.telescope.detectors import DETECTORS, SUBARRAYS, Detector, Subarray

DETECTOR, MODULE = "META.INSTRUMENT.DETECTOR", "META.INSTRUMENT.MODULE"
CHANNEL, FILTER = "META.INSTRUMENT.CHANNEL", "META.INSTRUMENT.FILTER"
PUPIL, SUBARRAY = "META.INSTRUMENT.PUPIL", "META.SUBARRAY.NAME"
EXP_TYPE, READPATT = "META.EXPOSURE.TYPE", "META.EXPOSURE.READPATT"

KEYS = {
    **dict.fromkeys(("mask", "saturation", "linearity", "gain", "readnoise"), (DETECTOR, SUBARRAY)),
    **dict.fromkeys(("superbias", "dark"), (DETECTOR, READPATT, SUBARRAY)),
    "area": (DETECTOR, FILTER, PUPIL, SUBARRAY),
    "flat": (DETECTOR, FILTER, PUPIL, SUBARRAY),
    "distortion": (EXP_TYPE, DETECTOR, CHANNEL),
    "photom": (DETECTOR, EXP_TYPE),
    "filteroffset": (CHANNEL, MODULE),
    "apcorr": (EXP_TYPE,),
    "abvegaoffset": (),
}
IMAGING = "NRC_IMAGE|NRC_TSIMAGE|NRC_TACQ"
COEFFICIENTS = 6  # of linearity, as many as flight NIRCam's have at least; three are not 0
DARK_GROUPS = 10
DARK_UP_TO = 160  # pixels; larger ones have a dark only with `large_darks`
VEGA_OFFSET = {"F150W": 1.2, "F200W": 1.7}  # magnitudes, AB - Vega
ENCIRCLED = np.arange(0.2, 0.85, 0.1)  # fractions of a star's light within an aperture
FLAGS = np.array(
    [
        (0, 1, "DO_NOT_USE", "of no use"),
        (1, 1024, "DEAD", "light has no effect"),
        (2, 2**31, "REFERENCE_PIXEL", "no light reaches it"),
    ],
    dtype=[("BIT", "i4"), ("VALUE", "u4"), ("NAME", "U40"), ("DESCRIPTION", "U80")],
)


def write_nircam(
    writer: ReferenceWriter,
    detectors: Sequence[str],
    subarrays: Sequence[str],
    filters: Sequence[str],
    large_darks: int = 0,
) -> None:
    """Save all references of these detectors, subarrays and filters.

    `large_darks` is the number of groups in the darks of large subarrays; with 0 they have none.
    """
    for detector in (DETECTORS[name] for name in detectors):
        for subarray in (SUBARRAYS[name] for name in subarrays):
            _write_pixels(writer, detector, subarray)
            if groups := DARK_GROUPS if subarray.size <= DARK_UP_TO else large_darks:
                _write_dark(writer, detector, subarray, groups)
            for name in filters:
                write_flat(writer, detector, subarray, name)
        _write_distortion(writer, detector)
        _write_photom(writer, detector, filters)
    for module in sorted({DETECTORS[name].module for name in detectors}):
        _write_filteroffset(writer, module, filters)
    _write_apertures(writer, filters)


def write_flat(
    writer: ReferenceWriter, detector: Detector, subarray: Subarray, filter_name: str
) -> None:
    """Save the true flat of one filter."""
    data = nature.flat_of(detector, subarray, filter_name)
    model = datamodels.FlatModel(
        data=data, err=np.full_like(data, 0.001), dq=np.zeros(data.shape, "u4"), dq_def=FLAGS
    )
    model.meta.instrument.filter, model.meta.instrument.pupil = filter_name, "CLEAR"
    match = (detector.name, filter_name, "CLEAR", subarray.name)
    writer.put("flat", match, set_subarray(model, detector, subarray))


def _write_pixels(writer: ReferenceWriter, detector: Detector, subarray: Subarray) -> None:
    """Save mask, saturation, linearity, gain, read noise, superbias and area of a subarray."""
    shape = (subarray.size, subarray.size)
    good = np.zeros(shape, "u4")
    here = (detector.name, subarray.name)

    def put(kind: str, match: tuple[str, ...], model: datamodels.JwstDataModel) -> None:
        writer.put(kind, match, set_subarray(model, detector, subarray))

    put("mask", here, datamodels.MaskModel(dq=_flags(detector, subarray), dq_def=FLAGS))
    saturation = np.full(shape, nature.SATURATION, "f4")
    put("saturation", here, datamodels.SaturationModel(data=saturation, dq=good))
    put("linearity", here, datamodels.LinearityModel(coeffs=_curve(shape), dq=good))
    put("gain", here, datamodels.GainModel(data=np.full(shape, nature.GAIN, "f4")))
    of_two = np.full(shape, nature.READ_NOISE * np.sqrt(2), "f4")  # CRDS keeps it of a difference
    put("readnoise", here, datamodels.ReadnoiseModel(data=of_two))
    bias = datamodels.SuperBiasModel(
        data=nature.bias_of(detector, subarray), err=np.ones(shape, "f4"), dq=good
    )
    put("superbias", (detector.name, "ANY", subarray.name), bias)
    area = datamodels.PixelAreaModel(data=np.ones(shape, "f4"))
    _set_pixel_area(area)
    area.meta.instrument.detector = detector.name
    writer.put("area", (detector.name, "ANY", "ANY", subarray.name), area)


def _flags(detector: Detector, subarray: Subarray) -> np.ndarray:
    flags = np.where(nature.dead_pixels_of(detector, subarray), 1 | 1024, 0).astype("u4")
    if subarray.border:
        flags[nature.reference_pixels_of(subarray)] = 2**31
    return flags


def _curve(shape: tuple[int, int]) -> np.ndarray:
    """Return the coefficients (COEFFICIENTS, rows, columns) that turn read DN into true DN."""
    coefficients = np.zeros((COEFFICIENTS, *shape), "f4")
    coefficients[1], coefficients[2] = 1, nature.NONLINEARITY
    return coefficients


def _write_dark(
    writer: ReferenceWriter, detector: Detector, subarray: Subarray, groups: int
) -> None:
    """Save a dark of this number of groups."""
    reads = np.arange(1, groups + 1, dtype="f4") * nature.DARK * subarray.frame_time
    shape = (groups, subarray.size, subarray.size)
    data = np.broadcast_to(reads[:, None, None], shape).astype("f4")
    model = datamodels.DarkModel(data=data, err=np.zeros_like(data), dq=np.zeros(shape[1:], "u4"))
    exposure = model.meta.exposure
    exposure.readpatt, exposure.type, exposure.ngroups = "RAPID", "NRC_DARK", groups
    exposure.nframes, exposure.groupgap = 1, 0
    match = (detector.name, "RAPID", subarray.name)
    writer.put("dark", match, set_subarray(model, detector, subarray))


def _set_pixel_area(model: datamodels.JwstDataModel) -> None:
    model.meta.photometry.pixelarea_steradians = nature.PIXEL_AREA
    model.meta.photometry.pixelarea_arcsecsq = nature.PIXEL_SCALE**2


def _write_distortion(writer: ReferenceWriter, detector: Detector) -> None:
    """Save the transform from full-frame pixels (from 0) to V2, V3 (arcsec)."""
    middle = (nature.FULL_SIZE - 1) / 2
    transform = (
        Shift(-middle) & Shift(-middle)
        | AffineTransformation2D(nature.matrix_of(detector))
        | Shift(detector.v2) & Shift(detector.v3)
    )
    model = datamodels.DistortionModel(
        model=transform, input_units=units.pix, output_units=units.arcsec
    )
    model.meta.instrument.detector = detector.name
    model.meta.instrument.channel, model.meta.instrument.module = detector.channel, detector.module
    model.meta.exposure.type = "NRC_IMAGE"
    model.meta.instrument.p_pupil = "CLEAR|"
    writer.put("distortion", (IMAGING, detector.name, detector.channel), model, ".asdf")


def _write_photom(writer: ReferenceWriter, detector: Detector, filters: Sequence[str]) -> None:
    rows = [(name, "CLEAR", nature.MJSR_PER_DN[name], 0.01) for name in filters]
    columns = [("filter", "S12"), ("pupil", "S12"), ("photmjsr", "f4"), ("uncertainty", "f4")]
    model = datamodels.NrcImgPhotomModel(phot_table=np.array(rows, dtype=columns))
    model.meta.instrument.detector = detector.name
    _set_pixel_area(model)
    writer.put("photom", (detector.name, IMAGING), model)


def _write_filteroffset(writer: ReferenceWriter, module: str, filters: Sequence[str]) -> None:
    offsets = [
        {"filter": name, "pupil": "CLEAR", "column_offset": 0.0, "row_offset": 0.0}
        for name in filters
    ]
    model = datamodels.FilteroffsetModel(filters=offsets, instrument="NIRCAM")
    model.meta.instrument.channel, model.meta.instrument.module = "SHORT", module
    model.meta.instrument.p_pupil = "CLEAR|"
    writer.put("filteroffset", ("SHORT", module), model, ".asdf")


def _write_apertures(writer: ReferenceWriter, filters: Sequence[str]) -> None:
    """Save aperture corrections (Gaussian stars after resampling) and Vega offsets."""
    sigma = np.sqrt(nature.PSF_SIGMA**2 + 2 / 12)  # a pixel spreads light by 1/12, twice
    radii = sigma * np.sqrt(-2 * np.log(1 - ENCIRCLED))
    rows = [
        (name, "CLEAR", fraction, radius, 1 / fraction, 6.0, 9.0)
        for name in filters
        for fraction, radius in zip(ENCIRCLED, radii, strict=True)
    ]
    numbers = [(name, "f4") for name in ("eefraction", "radius", "apcorr", "skyin", "skyout")]
    table = np.array(rows, dtype=[("filter", "S12"), ("pupil", "S15"), *numbers])
    apcorr = datamodels.NrcImgApcorrModel(apcorr_table=table)
    apcorr.meta.exposure.type = "NRC_IMAGE"
    writer.put("apcorr", ("NRC_IMAGE",), apcorr)
    offsets = Table(names=("filter", "pupil", "abvega_offset"), dtype=("U12", "U12", "f4"))
    for name in filters:
        offsets.add_row((name, "CLEAR", VEGA_OFFSET[name]))
    vega = datamodels.ABVegaOffsetModel()
    vega.abvega_offset = offsets
    writer.put("abvegaoffset", (), vega, ".asdf")
