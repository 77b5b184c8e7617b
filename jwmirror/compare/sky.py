"""Shift of the sky under the pixels of an image, in milliarcseconds."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from jwmirror.core.fits import asdf_content, check_asdf_tree
from jwmirror.core.model.comparison import SkyShift

MAS = 180 / np.pi * 3600e3  # in a radian
GWCS, FITS = "gwcs", "FITS"
Sky = tuple[np.ndarray, np.ndarray]  # right ascension and declination of pixels, in degrees


def sky_shift(
    old: Mapping[str, Any], new: Mapping[str, Any], shape: tuple[int, ...]
) -> SkyShift | None:
    """Return the shift of centre and corners of SCI, of shape (..., y, x); None where undefined.

    `old` and `new` are HDUs by name. The coordinates are those of gwcs if both files have them,
    otherwise those of FITS.
    """
    x, y = _centre_and_corners(shape)
    for source, sky_of in ((GWCS, gwcs_sky), (FITS, _fits_sky)):
        old_sky, new_sky = sky_of(old, x, y), sky_of(new, x, y)
        if old_sky is not None and new_sky is not None:
            return _shift(*_offsets(*old_sky, *new_sky), source)
    return None


def pixel_offsets(
    old: Mapping[str, Any], new: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return how far (x, y, in pixels) the old image has the sky of new pixels from their place.

    Five of each: of the centre and the corners of the new SCI, of shape (..., y, x). They are by
    the coordinates of FITS; None if one file has none.
    """
    x, y = _centre_and_corners(shape)
    if (sky := _fits_sky(new, x, y)) is None or (wcs := _celestial_wcs(old)) is None:
        return None
    try:
        old_x, old_y = wcs.all_world2pix(*sky, 0)
    except Exception:  # of wcslib, for coordinates that it cannot invert
        return None
    offsets = np.asarray(old_x) - x, np.asarray(old_y) - y
    return offsets if np.isfinite(offsets).all() else None


def north_of_up(hdus: Mapping[str, Any], shape: tuple[int, ...]) -> float | None:
    """Return the angle (degrees) from up to north at the centre of SCI, counter-clockwise.

    The coordinates are those of FITS; None without a celestial WCS.
    """
    x, y = (places[:1] for places in _centre_and_corners(shape))
    if (sky := _fits_sky(hdus, x, y)) is None or (wcs := _celestial_wcs(hdus)) is None:
        return None
    try:
        north_x, north_y = wcs.all_world2pix(sky[0], sky[1] + 1 / 3600, 0)
    except Exception:  # of wcslib
        return None
    angle = float(np.degrees(np.arctan2(x - north_x, north_y - y))[0])
    return angle if np.isfinite(angle) else None


def position_of(hdus: Mapping[str, Any], place: Sequence[int]) -> tuple[float, float] | None:
    """Return right ascension and declination (degrees) of a pixel (x, y, ...; the first is 0).

    None unless the FITS header of SCI has the coordinates that jwst's assign_wcs wrote for images
    or cubes: what raw files and count rates have there does not know the distortion, and detector
    images of spectra have no position for a pixel alone.
    """
    header = hdus["SCI"].header if "SCI" in hdus else {}
    primary = hdus["PRIMARY"].header if "PRIMARY" in hdus else {}
    axes = header.get("WCSAXES", header.get("NAXIS"))
    has_places = axes == 2 or axes == header.get("NAXIS") == 3
    if str(primary.get("S_WCS")) != "COMPLETE" or not has_places:
        return None
    sky = _fits_sky(hdus, np.array([float(place[0])]), np.array([float(place[1])]))
    if sky is None or not np.isfinite([sky[0][0], sky[1][0]]).all():
        return None
    return float(sky[0][0]), float(sky[1][0])


def _centre_and_corners(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    height, width = shape[-2:]
    x = np.array([(width - 1) / 2, 0, width - 1, 0, width - 1])
    y = np.array([(height - 1) / 2, 0, 0, height - 1, height - 1])
    return x, y


def gwcs_sky(hdus: Mapping[str, Any], x: np.ndarray, y: np.ndarray) -> Sky | None:
    """Return the coordinates of pixels by the ASDF tree of an image, as jwst itself does.

    None if there is no tree, it has no coordinates, they depend on a slit, slice or order, too, or
    the installed gwcs cannot use them (or is missing). They are computed while the tree is open:
    its arrays are read when they are used.
    """
    import asdf

    try:
        import gwcs
    except ImportError:  # it is installed with jwst
        return None
    if "ASDF" not in hdus or not (content := asdf_content(hdus["ASDF"])):
        return None
    try:
        check_asdf_tree(content)
        with asdf.open(BytesIO(content), lazy_tree=True, memmap=False) as file:
            wcs = file.tree.get("meta", {}).get("wcs")
            if not isinstance(wcs, gwcs.WCS) or wcs.pixel_n_dim != 2:
                return None
            if tuple(wcs.world_axis_physical_types[:2]) != ("pos.eq.ra", "pos.eq.dec"):
                return None
            ra, dec = wcs(x, y, with_bounding_box=False)[:2]
            return np.asarray(ra, "f8"), np.asarray(dec, "f8")
    except Exception:  # of gwcs, asdf or a model, for trees that other versions of them wrote
        return None


def sky_position(hdus: Mapping[str, Any], x: float, y: float) -> tuple[float, float] | None:
    """Return right ascension and declination (degrees) of a pixel of SCI, counted from 0.

    They are by the coordinates of FITS; None without a celestial WCS.
    """
    sky = _fits_sky(hdus, np.array([x]), np.array([y]))
    if sky is None or not np.isfinite(sky).all():
        return None
    return float(sky[0][0]), float(sky[1][0])


def _fits_sky(hdus: Mapping[str, Any], x: np.ndarray, y: np.ndarray) -> Sky | None:
    """Return the coordinates of pixels by the FITS header of SCI; None if it has none."""
    if (wcs := _celestial_wcs(hdus)) is None:
        return None
    try:
        ra, dec = wcs.all_pix2world(x, y, 0)
        return np.asarray(ra), np.asarray(dec)
    except Exception:  # of wcslib, for headers that it cannot use
        return None


def _celestial_wcs(hdus: Mapping[str, Any]) -> Any:  # WCS of astropy, which has no types, or None
    """Return the coordinates in the FITS header of SCI; None if it has none."""
    from astropy.wcs import WCS

    try:
        wcs = WCS(hdus["SCI"].header, naxis=2)
        return wcs if wcs.has_celestial else None
    except Exception:  # of wcslib, for headers that it cannot use
        return None


def _shift(east: np.ndarray, north: np.ndarray, source: str) -> SkyShift | None:
    """Return the record of the shifts (mas) of the centre and the corners, in this order."""
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
