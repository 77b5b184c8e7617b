"""Shift of the sky under the pixels of an image, in milliarcseconds."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np

from jwmirror.core.fits import asdf_content
from jwmirror.core.model.comparison import SkyShift

MAS = 180 / np.pi * 3600e3  # in a radian
GWCS, FITS = "gwcs", "FITS"
PixelToSky = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
# from x, y (0-based pixels) to right ascension and declination (degrees)


def gwcs_sky(hdus: Mapping[str, Any]) -> PixelToSky | None:
    """Return the coordinates in the ASDF tree of an image: those that jwst itself uses.

    None if there is no tree, it has no coordinates, or they depend on a slit, slice or order, too.
    """
    import asdf
    import gwcs

    if "ASDF" not in hdus or not (content := asdf_content(hdus["ASDF"])):
        return None
    try:
        with asdf.open(BytesIO(content), lazy_tree=True, memmap=False) as file:
            wcs = file.tree.get("meta", {}).get("wcs")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        return None  # written by a version of gwcs or asdf that the installed one cannot read
    if not isinstance(wcs, gwcs.WCS) or wcs.pixel_n_dim != 2:
        return None
    if tuple(wcs.world_axis_physical_types[:2]) != ("pos.eq.ra", "pos.eq.dec"):
        return None
    return lambda x, y: wcs(x, y, with_bounding_box=False)[:2]


def fits_sky(hdus: Mapping[str, Any]) -> PixelToSky | None:
    """Return the celestial coordinates in the FITS header of SCI; None if it has none."""
    from astropy.wcs import WCS

    try:
        wcs = WCS(hdus["SCI"].header, naxis=2)
    except (ValueError, KeyError, MemoryError):
        return None
    return (lambda x, y: wcs.all_pix2world(x, y, 0)) if wcs.has_celestial else None


def shift_of(
    old: PixelToSky, new: PixelToSky, shape: tuple[int, ...], source: str
) -> SkyShift | None:
    """Return the shift of centre and corners of an image (..., y, x); None where undefined."""
    height, width = shape[-2:]
    x = np.array([(width - 1) / 2, 0, width - 1, 0, width - 1])
    y = np.array([(height - 1) / 2, 0, 0, height - 1, height - 1])
    east, north = _offsets(*old(x, y), *new(x, y))
    if not (np.isfinite(east).all() and np.isfinite(north).all()):
        return None
    distance = np.hypot(east, north)
    return SkyShift(
        source=source,
        centre=float(distance[0]),
        east=float(east[0]),
        north=float(north[0]),
        corners=tuple(map(float, distance[1:])),
    )


def _offsets(
    ra: np.ndarray, dec: np.ndarray, new_ra: np.ndarray, new_dec: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the small offsets to the east and north (mas) from one position (degrees) to another.

    The mean declination makes them exactly opposite if old and new are swapped; astropy's
    `spherical_offsets_to` is not symmetric.
    """
    ra, dec, new_ra, new_dec = np.radians([ra, dec, new_ra, new_dec])
    turn = np.remainder(new_ra - ra + np.pi, 2 * np.pi) - np.pi
    return turn * np.cos((dec + new_dec) / 2) * MAS, (new_dec - dec) * MAS
