"""The stars of a field, and their positions on a detector."""

from dataclasses import dataclass

import numpy as np

from jwmirror_simulator.telescope.detectors import (
    DETECTORS,
    FULL_SIZE,
    MJSR_PER_DN,
    PIXEL_AREA,
    PSF_SIGMA,
    SUBARRAYS,
    WAVELENGTH,
    Detector,
    Subarray,
    matrix_of,
    random_numbers,
)
from jwmirror_simulator.telescope.program import Observation

PEAK_FRACTION = 1 / (2 * np.pi * PSF_SIGMA**2)  # of a star's flux, in its brightest pixel
PEAKS = (2000.0, 25000.0)  # DN in the brightest pixel at the end of a ramp, faintest and brightest
MARGIN = 8  # pixels off the edge within which a star does not count as seen
SURROUND = 1.2  # stars fill a square this many times the subarray's, so that dithers see no edge
APART = 11.0  # pixels at least between two stars
REFERENCE_FILTER = "F200W"


@dataclass(frozen=True, kw_only=True)
class Pointing:
    """Pointing of a subarray's middle, and its position angle."""

    detector: Detector
    subarray: Subarray
    ra: float  # degrees
    dec: float  # degrees
    position_angle: float  # degrees, of V3 from north to east

    def to_sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return right ascension and declination (degrees) of pixels, counted from 0."""
        offsets = np.array([x, y]) - self._middle
        v2, v3 = matrix_of(self.detector) @ offsets + self._axis[:, None]
        return _angles(self._rotation @ _vectors(v2 / 3600, v3 / 3600))

    def to_pixels(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels, counted from 0, of positions on the sky (degrees)."""
        v2, v3 = _angles(self._rotation.T @ _vectors(ra, dec))
        v2 = (v2 + 180) % 360 - 180
        offsets = np.array([v2, v3]) * 3600 - self._axis[:, None]
        x, y = np.linalg.inv(matrix_of(self.detector)) @ offsets + self._middle
        return x, y

    @property
    def _middle(self) -> float:
        """Subarray pixel (from 0) of the detector's middle."""
        return (FULL_SIZE - 1) / 2 - (self.subarray.corner - 1)

    @property
    def _axis(self) -> np.ndarray:
        return np.array([self.detector.v2, self.detector.v3])

    @property
    def _rotation(self) -> np.ndarray:
        """Rotation matrix from telescope vectors (V1, V2, V3) to sky vectors."""
        to_axis = _turn_y(np.deg2rad(self.detector.v3 / 3600)) @ _turn_z(
            -np.deg2rad(self.detector.v2 / 3600)
        )
        roll = _turn_x(-np.deg2rad(self.position_angle))
        to_target = _turn_z(np.deg2rad(self.ra)) @ _turn_y(-np.deg2rad(self.dec))
        return to_target @ roll @ to_axis


@dataclass(frozen=True, kw_only=True)
class Stars:
    """Stars of one field: positions (degrees), flux at 2 micron (Jy), spectral slope."""

    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    slope: np.ndarray  # flux goes with wavelength to this power
    seen: np.ndarray  # whether on the first dither, well inside

    def flux_in(self, filter_name: str) -> np.ndarray:
        """Return the flux (Jy) through a filter."""
        relative = WAVELENGTH[filter_name] / WAVELENGTH[REFERENCE_FILTER]
        return self.flux * relative**self.slope


def pointing_of(observation: Observation) -> Pointing:
    """Return the planned pointing of an observation, without dither and error."""
    return Pointing(
        detector=DETECTORS[observation.detector],
        subarray=SUBARRAYS[observation.subarray],
        ra=observation.field.ra,
        dec=observation.field.dec,
        position_angle=observation.field.position_angle,
    )


def stars_of(observation: Observation) -> Stars:
    """Return the stars of an observation's field, with fluxes that its ramps can measure."""
    field, subarray = observation.field, SUBARRAYS[observation.subarray]
    dice = random_numbers("stars", field.target, field.seed)
    x, y = _scatter(dice, subarray.size, field.stars)
    ra, dec = pointing_of(observation).to_sky(x, y)
    low, high = np.log(PEAKS)
    peaks = np.exp(dice.uniform(low, high, len(x)))
    rates = peaks / PEAK_FRACTION / (subarray.frame_time * observation.groups)  # DN/s
    return Stars(
        ra=ra,
        dec=dec,
        flux=rates * MJSR_PER_DN[REFERENCE_FILTER] * PIXEL_AREA * 1e6,
        slope=dice.normal(0, 0.3, len(x)),
        seen=_inside(x, y, subarray.size),
    )


def _scatter(dice: np.random.Generator, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Place stars on and around a square, none too close, until `count` are well inside."""
    low, high = (1 - SURROUND) / 2 * size, (1 + SURROUND) / 2 * size
    places = np.empty((0, 2))
    for _ in range(200 * count):
        place = dice.uniform(low, high, 2)
        if (np.hypot(*(places - place).T) > APART).all():
            places = np.vstack([places, place])
            if _inside(places[:, 0], places[:, 1], size).sum() == count:
                return places[:, 0], places[:, 1]
    raise ValueError(f"{count} stars do not fit {APART} pixels apart into {size} x {size} pixels")


def _inside(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    low, high = MARGIN, size - 1 - MARGIN
    return (x > low) & (x < high) & (y > low) & (y < high)


def _vectors(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return the unit vectors (3, n) of angles in degrees."""
    lon, lat = np.deg2rad(longitude), np.deg2rad(latitude)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _angles(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude (0 to 360) and latitude in degrees of unit vectors (3, n)."""
    longitude = np.rad2deg(np.arctan2(vectors[1], vectors[0])) % 360
    return longitude, np.rad2deg(np.arctan2(vectors[2], np.hypot(vectors[0], vectors[1])))


def _turn_x(angle: float) -> np.ndarray:
    return np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )


def _turn_y(angle: float) -> np.ndarray:
    return np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )


def _turn_z(angle: float) -> np.ndarray:
    return np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
