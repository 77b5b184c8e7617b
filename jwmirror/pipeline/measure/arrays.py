"""Samples of large images, and robust statistics of them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.io.fits import ImageHDU

SAMPLE = 1 << 20  # pixels that are read of the images of one kind; of more, every n-th row
TO_SIGMA = 1.4826  # from the median absolute deviation to sigma, of a normal distribution
PARTS = 4  # of the columns and of the rows: near-infrared detectors have four amplifiers
DIGITS = 6  # significant; machines differ in later ones


def row_step(shape: tuple[int, ...], limit: int = SAMPLE) -> int:
    """Return n such that every n-th row of an image (..., y, x) has at most about `limit` pixels.

    It is odd, so that even and odd rows are read alike.
    """
    step = -(-math.prod(shape) // max(limit, 1))
    return max(1, step | 1) if step > 1 else 1


def read_rows(image: "ImageHDU", step: int) -> np.ndarray:
    """Return every `step`-th row of an image (..., y, x) as a matrix, as astropy scales it."""
    height, width = image.shape[-2:]
    parts = []
    for number, plane in enumerate(np.ndindex(image.shape[:-2])):
        start = -number * height % step
        if start < height:
            rows = slice(start, None, step) if step > 1 else slice(None)
            parts.append(image.section[(*plane, rows, slice(None))])
    return np.concatenate(parts) if parts else np.empty((0, width))


def rows_like(image: "ImageHDU", shape: tuple[int, ...], step: int) -> np.ndarray | None:
    """Return the rows of an image that belong to those of another one of `shape`.

    An image with fewer axes (the flags of all integrations together) is repeated. None if the
    shapes do not fit.
    """
    if image.shape == shape:
        return read_rows(image, step)
    if len(image.shape) < 2 or image.shape != shape[-len(image.shape) :]:
        return None
    block = read_rows(image, 1)
    wanted = np.arange(0, math.prod(shape[:-1]), step)
    return np.asarray(block[wanted % len(block)])


def flag_bits(*names: str) -> int:
    """Return the bits of flags of pixels by their names in jwst."""
    from stdatamodels.jwst.datamodels import dqflags

    return sum(dqflags.pixel[name] for name in names)


def robust_scatter(values: np.ndarray) -> float:
    """Return the scatter of values as sigma of a normal distribution, unmoved by outliers."""
    return TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


def neighbour_noise(rows: np.ndarray) -> float | None:
    """Return the robust scatter of the differences of neighbours in rows, over sqrt(2).

    Gradients and most sources do not add to it. NaN are left out; None without two neighbours.
    """
    differences = np.diff(rows.astype("f8"), axis=-1)
    differences = differences[np.isfinite(differences)]
    return robust_scatter(differences) / math.sqrt(2) if len(differences) else None


def statistics_of(values: np.ndarray, noises: Sequence[float | None]) -> dict[str, float | None]:
    """Return level and noise of usable values, and the median of the pixel noises."""
    if not len(values):
        return {}
    known = [noise for noise in noises if noise is not None]
    return {
        "median": float(np.median(values)),
        "noise": robust_scatter(values),
        "pixel_noise": float(np.median(known)) if known else None,
    }


def noise_balance(rows: np.ndarray, shape: tuple[int, ...], step: int) -> float | None:
    """Return the noise of the quietest of PARTS groups of columns, or rows, over their median.

    It is near 0 if an amplifier reads the same value everywhere. In files the amplifiers of NIRCam
    are columns; those of the other near-infrared detectors are rows (jwst's refpix transposes
    them). `rows` is every `step`-th row of an image of `shape`. None if a group has no neighbours.
    """
    numbers = np.arange(0, math.prod(shape[:-1]), step) % shape[-2]
    groups = numbers * PARTS // shape[-2]
    columns = np.array_split(rows, PARTS, axis=-1)
    balances = [_balance(columns), _balance([rows[groups == part] for part in range(PARTS)])]
    return min((balance for balance in balances if balance is not None), default=None)


def _balance(parts: Sequence[np.ndarray]) -> float | None:
    """Return the least noise of parts over their median; 0 if most have no noise."""
    noises = [neighbour_noise(part) for part in parts]
    known = [noise for noise in noises if noise is not None]
    if len(known) < len(parts):
        return None
    typical = float(np.median(known))
    return min(known) / typical if typical else 0.0


def rounded(values: dict[str, float | None]) -> dict[str, float]:
    """Return the values that are finite, to DIGITS significant digits."""
    return {
        name: float(f"{value:.{DIGITS}g}")
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }
