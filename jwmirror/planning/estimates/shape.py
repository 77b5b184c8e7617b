"""The amount of data that a stage reads, by the header of an exposure. Pure."""

from dataclasses import dataclass
from functools import lru_cache

from jwmirror.core.model import Derivation
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.parameters import PlainMapping
from jwmirror.pipeline import headers

FULL = 2048  # pixels on a side, if the header does not say
CUBES = {  # (pipeline, exposure type) -> voxels of the cubes for each pixel of the detector
    ("spec2", "MIR_MRS"): 4,  # 45 x 45 x 2,100: two channels of a band
    ("spec3", "MIR_MRS"): 15,  # 70 x 70 x 3,300: three bands of a channel; rotated
    ("spec2", "NRS_IFU"): 1.7,  # 60 x 60 x 1,950
    ("spec3", "NRS_IFU"): 3.3,  # 60 x 60 x 3,900
}
WITH_INTEGRATIONS = ("rateints.fits", "calints.fits", "crfints.fits")


@dataclass(frozen=True)
class Shape:
    """The axes of an exposure's file."""

    pixels: int
    groups: int
    integrations: int


@lru_cache(maxsize=65536)
def shape_of(header: str) -> Shape:
    """Return the axes by a header; without one, those of a full frame."""
    values = headers.parse_header(header) if header else {}
    pixels = _size(values, "subarray.xsize", FULL) * _size(values, "subarray.ysize", FULL)
    if headers.IRS2 in str(values.get("meta.exposure.readpatt", "")).upper():
        pixels = round(pixels * headers.IRS2_ROWS / FULL)
    return Shape(pixels, _size(values, "exposure.ngroups", 1), _integrations(values))


def mode_of(derivation: Derivation, header: str) -> tuple[str, str]:
    """Return the pipeline of a stage and the exposure type ("" if the header is unread)."""
    exposure_type = headers.header_value(header, "exp_type") if header else ""
    return whole_pipeline(derivation.pipeline), exposure_type


def images_read(derivation: Derivation, shape: Shape) -> int:
    """Return how many images the inputs of a stage have; 2 and 3 only.

    `shape` is that of the first input.
    """
    keeps = any(item.name.endswith(WITH_INTEGRATIONS) for item in derivation.inputs)
    return len(derivation.inputs) * (shape.integrations if keeps else 1)


def samples_read(derivation: Derivation, shape: Shape) -> int:
    """Return how many values a stage reads: in stage 1, each pixel of each group."""
    if derivation.stage == 1:
        return shape.pixels * shape.groups * shape.integrations
    return shape.pixels * images_read(derivation, shape)


def _integrations(values: PlainMapping) -> int:
    """Return the integrations in a file; a segment has only some of the exposure's."""
    first, last = (values.get(f"meta.exposure.integration_{end}") for end in ("start", "end"))
    return last - first + 1 if first and last else _size(values, "exposure.nints", 1)


def _size(values: PlainMapping, name: str, otherwise: int) -> int:
    return values.get(f"meta.{name}") or otherwise
