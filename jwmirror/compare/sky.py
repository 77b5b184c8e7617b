"""How far the sky moved under the pixels of an image, in milliarcseconds."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from jwmirror.core.model.comparison import SkyShift

MAS = 180 / np.pi * 3600e3  # in a radian
GWCS, FITS = "gwcs", "FITS"
Sky = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # x, y -> RA, Dec: degrees


def gwcs_sky(content: bytes) -> Sky | None:
    """The coordinates in the ASDF tree of an image: what jwst itself goes by; None if it has none.

    None, too, where they need more than a pixel's place: a slit, a slice, an order.
    """
    import asdf
    import gwcs

    try:
        with asdf.open(BytesIO(content), lazy_tree=True, memmap=False) as file:
            found = file.tree.get("meta", {}).get("wcs")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        return None  # of another version's making, which this one cannot read
    if not isinstance(found, gwcs.WCS) or found.pixel_n_dim != 2:
        return None
    if tuple(found.world_axis_physical_types[:2]) != ("pos.eq.ra", "pos.eq.dec"):
        return None
    return lambda x, y: found(x, y, with_bounding_box=False)[:2]


def fits_sky(header: Any) -> Sky | None:
    """The coordinates in a FITS header; None if it has none."""
    from astropy.wcs import WCS

    try:
        found = WCS(header, naxis=2)
    except (ValueError, KeyError, MemoryError):
        return None
    return (lambda x, y: found.all_pix2world(x, y, 0)) if found.has_celestial else None


def shift_of(old: Sky, new: Sky, shape: tuple[int, ...], source: str) -> SkyShift | None:
    """How far the centre and the corners of an image (..., y, x) moved; None where not defined."""
    height, width = shape[-2:]
    x = np.array([(width - 1) / 2, 0, width - 1, 0, width - 1])
    y = np.array([(height - 1) / 2, 0, 0, height - 1, height - 1])
    east, north = _offsets(*old(x, y), *new(x, y))
    if not (np.isfinite(east).all() and np.isfinite(north).all()):
        return None
    far = np.hypot(east, north)
    return SkyShift(
        source=source,
        centre=float(far[0]),
        east=float(east[0]),
        north=float(north[0]),
        corners=tuple(float(each) for each in far[1:]),
    )


def _offsets(ra: Any, dec: Any, new_ra: Any, new_dec: Any) -> tuple[np.ndarray, np.ndarray]:
    """From one place on the sky (degrees) to another close to it: mas to the east and north."""
    ra, dec, new_ra, new_dec = (np.radians(np.asarray(each)) for each in (ra, dec, new_ra, new_dec))
    turn = np.remainder(new_ra - ra + np.pi, 2 * np.pi) - np.pi
    middle = (dec + new_dec) / 2
    return turn * np.cos(middle) * MAS, (new_dec - dec) * MAS
