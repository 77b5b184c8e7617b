"""From pixels to the sky and back, in the plane that touches the sky where a camera looks."""

import numpy as np
from astropy.coordinates import SkyCoord, SkyOffsetFrame

from jwmirror_simulator.modes.instruments.cameras import Camera, Window


def to_sky(
    camera: Camera, window: Window, centre: SkyCoord, roll: float, x: np.ndarray, y: np.ndarray
) -> SkyCoord:
    """The places that pixels (from 0) of a window see when the camera's middle sees `centre`."""
    offsets = np.array([x, y]) - _middle(camera, window)
    east, north = _turn(roll) @ camera.matrix @ offsets / 3600
    frame = SkyOffsetFrame(origin=centre)
    return SkyCoord(east, north, unit="deg", frame=frame).transform_to("icrs")


def to_pixels(
    camera: Camera, window: Window, centre: SkyCoord, roll: float, places: SkyCoord
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels (from 0) of a window that see the places."""
    seen = places.transform_to(SkyOffsetFrame(origin=centre))
    offsets = np.array([seen.lon.wrap_at("180d").arcsec, seen.lat.arcsec])
    x, y = np.linalg.inv(camera.matrix) @ _turn(roll).T @ offsets + _middle(camera, window)
    return x, y


def _middle(camera: Camera, window: Window) -> np.ndarray:
    """Where the camera's middle is in the window."""
    return (np.array(camera.middle) - window.corner + 1)[:, None]


def _turn(roll: float) -> np.ndarray:
    """The matrix from (V2, V3) to east and north; V3 lies `roll` degrees from north to east."""
    cosine, sine = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    return np.array([[cosine, sine], [-sine, cosine]])
