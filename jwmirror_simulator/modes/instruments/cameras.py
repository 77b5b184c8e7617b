"""Cameras: pointing offset, window and response of the pixels.

Pixels respond linearly; the references are written from the same properties.
"""

from dataclasses import dataclass

import numpy as np

from jwmirror_simulator.telescope.detectors import random_numbers

FLAT_SCATTER = 0.02  # of the sensitivity from pixel to pixel
BIAS_SCATTER = 20.0  # DN


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A detector and its optics; `middle` (x, y from 0, full frame) points at V2, V3."""

    instrument: str
    detector: str
    v2: float  # arcsec
    v3: float  # arcsec
    scale: float  # arcsec, of a square pixel
    middle: tuple[float, float]
    axes: tuple[int, int]  # fast and slow
    module: str = ""
    channel: str = ""
    gain: float = 2.0  # electrons per DN
    read_noise: float = 5.0  # DN, of one read
    bias: float = 10000.0  # DN
    readpatt: str = "RAPID"

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in steradian."""
        return np.deg2rad(self.scale / 3600) ** 2

    @property
    def matrix(self) -> np.ndarray:
        """Matrix (2, 2) from pixels (x, y) relative to the middle to arcsec in (V2, V3)."""
        return self.scale * np.array([[-1.0, 0.0], [0.0, 1.0]])


@dataclass(frozen=True, kw_only=True)
class Window:
    """The pixels that are read: name in headers, size and position."""

    name: str
    columns: int
    rows: int
    corner: tuple[int, int]  # first column and row, from 1
    frame_time: float  # seconds
    outputs: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns


def bias_of(camera: Camera, window: Window) -> np.ndarray:
    """Return the bias of each pixel in DN; MIRI has the same bias everywhere."""
    scatter = 0.0 if camera.instrument == "MIRI" else BIAS_SCATTER
    dice = random_numbers("bias", camera.detector, window.name)
    return dice.normal(camera.bias, scatter, window.shape).astype("f4")


def flat_of(camera: Camera, window: Window, filter_name: str) -> np.ndarray:
    """Return the sensitivity of each pixel; 1 on average."""
    dice = random_numbers("flat", camera.detector, window.name, filter_name)
    return dice.normal(1, FLAT_SCATTER, window.shape).astype("f4")
