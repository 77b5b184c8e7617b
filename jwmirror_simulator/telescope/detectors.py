"""The true properties of the detectors: field of view, and response of each pixel.

Exposures and reference files are made from the same properties: the references are exact, so any
error in the products is made by calibration.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

PIXEL_SCALE = 0.0311  # arcsec, of a square pixel
PIXEL_AREA = (np.deg2rad(PIXEL_SCALE / 3600)) ** 2  # steradian
PSF_SIGMA = 0.95  # pixels; the point spread function is a Gaussian
GAIN = 2.0  # electrons per DN
READ_NOISE = 5.0  # DN, of one read
BIAS = 10000.0  # DN, median
DARK = 0.002  # DN/s
SATURATION = 55000.0  # DN, as read
NONLINEARITY = 4.0e-7  # true = read + NONLINEARITY * read**2, in DN above the bias
MJSR_PER_DN = {"F150W": 2.5, "F200W": 2.0}  # MJy/sr for 1 DN/s
WAVELENGTH = {"F150W": 1.5, "F200W": 2.0}  # micron
BORDER = 4  # pixels without light around a FULL frame
FULL_SIZE = 2048  # pixels


@dataclass(frozen=True, kw_only=True)
class Subarray:
    """A square subarray around the middle of a detector."""

    name: str
    size: int  # pixels
    corner: int  # first column and row, from 1
    outputs: int  # amplifiers used
    frame_time: float  # seconds

    @property
    def border(self) -> int:
        """Width of the reference pixels around it; 0 if it has none."""
        return BORDER if self.size == FULL_SIZE else 0


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A NIRCam short-wavelength detector and its position in the focal plane."""

    name: str
    module: str
    v2: float  # arcsec, of its middle
    v3: float  # arcsec
    angle: float  # degrees from V3 to its y axis
    fast_axis: int
    slow_axis: int
    channel: str = "SHORT"


SUBARRAYS = {
    subarray.name: subarray
    for subarray in (
        Subarray(name="SUB160", size=160, corner=945, outputs=1, frame_time=0.27864),
        Subarray(name="SUB640", size=640, corner=705, outputs=1, frame_time=4.18584),
        Subarray(name="FULL", size=FULL_SIZE, corner=1, outputs=4, frame_time=10.73677),
    )
}
DETECTORS = {
    detector.name: detector
    for detector in (
        Detector(
            name="NRCA1", module="A", v2=120.671, v3=-527.386, angle=-0.5626,
            fast_axis=-1, slow_axis=2,
        ),
        Detector(
            name="NRCB1", module="B", v2=-120.967, v3=-457.746, angle=-0.5700,
            fast_axis=1, slow_axis=-2,
        ),
    )
}  # fmt: skip


def random_numbers(*words: object) -> np.random.Generator:
    """Return a random generator whose seed depends only on the words."""
    text = "/".join(map(str, words))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))


def bias_of(detector: Detector, subarray: Subarray) -> np.ndarray:
    """Return the bias of each pixel in DN."""
    shape = (subarray.size, subarray.size)
    return random_numbers("bias", detector.name, subarray.name).normal(BIAS, 20, shape).astype("f4")


def flat_of(detector: Detector, subarray: Subarray, filter_name: str) -> np.ndarray:
    """Return the sensitivity of each pixel; 1 on average."""
    shape = (subarray.size, subarray.size)
    scatter = random_numbers("flat", detector.name, subarray.name, filter_name).normal(
        0, 0.02, shape
    )
    return (1 + scatter).astype("f4")


def dead_pixels_of(detector: Detector, subarray: Subarray) -> np.ndarray:
    """Return a mask that is True for dead pixels: one in 4000."""
    shape = (subarray.size, subarray.size)
    return random_numbers("dead", detector.name, subarray.name).random(shape) < 1 / 4000


def reference_pixels_of(subarray: Subarray) -> np.ndarray:
    """Return a mask that is True for the reference pixels at the edge."""
    edge = np.ones((subarray.size, subarray.size), bool)
    inside = slice(subarray.border, subarray.size - subarray.border)
    edge[inside, inside] = False
    return edge


def matrix_of(detector: Detector) -> np.ndarray:
    """Return the matrix (2, 2) from pixels relative to the middle to arcsec in (V2, V3)."""
    angle = np.deg2rad(detector.angle)
    cosine, sine = np.cos(angle), np.sin(angle)
    return PIXEL_SCALE * np.array([[-cosine, sine], [sine, cosine]])
