"""Fields: where exposures are on the sky and when, and the cone that a mosaic's query is inside.

jwst makes the cone of its query from the footprints after the relative alignment, and its epoch
from DATE-OBS of the first member (jwst.tweakreg, stcal.tweakreg.astrometric_utils). Both are known
only roughly beforehand, so the cone here has a margin.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError, failures_as
from jwmirror.core.jsonio import receipt_path, remembered
from jwmirror.core.model.sky.slices import CatalogueCone

MARGIN = 0.02  # degrees around a field: relative alignment moves images by some arcsec
STEP = 1000  # parts of a degree to which cones are rounded, so that filters of one visit share one
REACH = 0.03  # degrees from the reference point to the sides of the largest detector, and more
ANGLES = 90  # orientations, one per degree, for which a mosaic's frame is computed
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class ExposureField:
    """The day of an exposure, and the corners of its field."""

    day: str  # DATE-OBS, ISO
    corners: tuple[tuple[float, float], ...]  # right ascension and declination, degrees


def exposure_field(mirror: Path, path: Path, sha256: str, filename: str) -> ExposureField:
    """Return the field of a stored file with a header of jwst; it is remembered.

    Raises:
        CalibrationError: the header has no date, or no position.
    """
    return remembered(
        receipt_path(mirror, "fields", sha256, ""),
        ExposureField,
        lambda: read_field(path, filename),
    )


def read_field(path: Path, filename: str) -> ExposureField:
    """Return the field of a FITS file: S_REGION, or a square around RA_REF and DEC_REF.

    Raises:
        CalibrationError: the header has no date, or no position.
    """
    from astropy.io import fits

    def unusable(why: str) -> CalibrationError:
        return CalibrationError(f"{filename}: its place on the sky cannot be read: {why}")

    with failures_as(unusable), fits.open(path) as hdus:
        science = hdus["SCI"].header if "SCI" in hdus else {}
        header = {**dict(hdus[0].header), **dict(science)}
        corners = _polygon(str(header.get("S_REGION", ""))) or _square(header)
        return ExposureField(day=str(header["DATE-OBS"]), corners=corners)


def _polygon(region: str) -> tuple[tuple[float, float], ...]:
    """Return the corners of an S_REGION (POLYGON ICRS ra dec ra dec...); () without one."""
    numbers = [float(text) for text in NUMBER.findall(region)] if "POLYGON" in region else []
    return tuple(zip(numbers[::2], numbers[1::2], strict=True)) if len(numbers) > 4 else ()


def _square(header: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    """Return a square around the reference point that has any detector of jwst in it."""
    ra, dec = float(header["RA_REF"]), float(header["DEC_REF"])
    across = REACH / max(math.cos(math.radians(dec)), 1e-3)
    return tuple((ra + x * across, dec + y * REACH) for x in (-1, 1) for y in (-1, 1))


def mosaic_cone(catalogue: str, fields: Sequence[ExposureField]) -> CatalogueCone:
    """Return a cone that contains the cone of a mosaic's query, whatever its orientation.

    jwst takes the circle around the frame of the mosaic, which is parallel to the first member.

    Raises:
        CalibrationError: the day of the first member is no date.
    """
    import numpy as np

    corners = np.radians([corner for field in fields for corner in field.corners])
    vectors = _vectors(corners)
    axes = _axes(vectors.mean(axis=0))
    for _ in range(2):  # the second time around the middle of the frame
        plane = _projected(vectors, axes)
        x, y = (plane.max(axis=1) + plane.min(axis=1)) / 2
        east, north, middle = axes
        axes = _axes(middle + x * east + y * north)
    plane = _projected(vectors, axes)
    reach = math.degrees(math.atan(max(_reach(plane, angle) for angle in range(ANGLES))))
    *_, (x, y, z) = axes
    ra, dec = math.degrees(math.atan2(y, x)) % 360, math.degrees(math.asin(z))
    return CatalogueCone(
        catalogue=catalogue,
        ra=round(ra * STEP) / STEP,
        dec=round(dec * STEP) / STEP,
        radius=math.ceil((reach + MARGIN + 1 / STEP) * STEP) / STEP,
        epoch=decimal_year(fields[0].day),
    )


def decimal_year(day: str) -> float:
    """Return a day as jwst's epoch; CalibrationError if it is no day."""
    from astropy.time import Time

    with failures_as(lambda why: CalibrationError(f"expected a day as DATE-OBS: {why}")):
        return float(Time(day).decimalyear)


def _reach(plane: Any, angle: float) -> float:  # Any: an array of shape (2, n)
    """Return how far the circle around a frame reaches from the origin, in the plane."""
    import numpy as np

    turn = math.radians(angle)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    turned = matrix @ plane
    high, low = turned.max(axis=1), turned.min(axis=1)
    return float(np.hypot(*(high + low)) + np.hypot(*(high - low))) / 2


def _vectors(angles: Any) -> Any:  # arrays of shapes (n, 2), radians, and (n, 3)
    import numpy as np

    ra, dec = angles.T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def _projected(vectors: Any, axes: tuple[Any, Any, Any]) -> Any:  # (n, 3) -> (2, n)
    """Return directions in the plane that touches the sky at the last axis."""
    import numpy as np

    east, north, along = axes
    return np.array([vectors @ east, vectors @ north]) / (vectors @ along)


def _axes(towards: Any) -> tuple[Any, Any, Any]:  # arrays of three numbers
    """Return unit vectors to the east and north of a direction, and along it."""
    import numpy as np

    along = towards / np.linalg.norm(towards)
    east = np.array([-along[1], along[0], 0.0])
    size = np.linalg.norm(east)
    east = east / size if size else np.array([0.0, 1.0, 0.0])
    return east, np.cross(along, east), along
