"""Convert pixels to sky positions and back, in the tangent plane at the pointing."""

import numpy as np
from astropy.coordinates import SkyCoord, SkyOffsetFrame

from jwmirror_simulator.modes.instruments.cameras import Camera, Window


def to_sky(
    camera: Camera, window: Window, centre: SkyCoord, roll: float, x: np.ndarray, y: np.ndarray
) -> SkyCoord:
    """Return the sky positions of window pixels (from 0); the middle points at `centre`."""
    offsets = np.array([x, y]) - _middle(camera, window)
    east, north = _turn(roll) @ camera.matrix @ offsets / 3600
    frame = SkyOffsetFrame(origin=centre)
    return SkyCoord(east, north, unit="deg", frame=frame).transform_to("icrs")


def to_pixels(
    camera: Camera, window: Window, centre: SkyCoord, roll: float, places: SkyCoord
) -> tuple[np.ndarray, np.ndarray]:
    """Return the window pixels (from 0) of sky positions."""
    offsets = offsets_from(centre, roll, places)
    x, y = np.linalg.inv(camera.matrix) @ offsets + _middle(camera, window)
    return x, y


def sky_offset(centre: SkyCoord, east: float, north: float) -> SkyCoord:
    """Return the position that is some arcsec east and north of another one."""
    return centre.spherical_offsets_by(*(np.array([east, north]) / 3600) * centre.ra.unit)


def offsets_from(centre: SkyCoord, roll: float, places: SkyCoord) -> np.ndarray:
    """Return how far sky positions are from `centre` in V2 and V3 (arcsec)."""
    seen = places.transform_to(SkyOffsetFrame(origin=centre))
    return _turn(roll).T @ np.array([seen.lon.wrap_at("180d").arcsec, seen.lat.arcsec])


def _middle(camera: Camera, window: Window) -> np.ndarray:
    """Return the camera's middle in pixels of the window."""
    return (np.array(camera.middle) - window.corner + 1)[:, None]


def _turn(roll: float) -> np.ndarray:
    """Return the matrix from (V2, V3) to east and north; V3 is `roll` degrees east of north."""
    cosine, sine = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    return np.array([[cosine, sine], [-sine, cosine]])
