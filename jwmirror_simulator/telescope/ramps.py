"""Simulate the detector readout of light, noise and cosmic rays."""

import numpy as np
from scipy.special import erf

from jwmirror_simulator.telescope.detectors import (
    DARK,
    GAIN,
    MJSR_PER_DN,
    NONLINEARITY,
    PIXEL_AREA,
    PSF_SIGMA,
    READ_NOISE,
    Detector,
    Subarray,
    bias_of,
    dead_pixels_of,
    flat_of,
    reference_pixels_of,
)

SKY = 60.0  # DN of background in each pixel over a whole ramp
HITS = 5e-4  # cosmic rays per pixel and ramp
HIT = (500.0, 8000.0)  # DN, least and most of one
DRIFT = 20.0  # DN, by which all pixels of a FULL frame move together from read to read
STAMP = 9  # pixels around a star that its light reaches


def light_of(size: int, x: np.ndarray, y: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return DN/s in the pixels of a square from stars at (x, y), from 0, with given total DN/s."""
    pad = 2 * STAMP  # a star just outside still has its whole stamp on the padded square
    light = np.zeros((size + 2 * pad, size + 2 * pad))
    columns, rows = np.round(x).astype(int), np.round(y).astype(int)
    near = (np.abs(columns - size // 2) <= size // 2 + STAMP - 1) & (
        np.abs(rows - size // 2) <= size // 2 + STAMP - 1
    )
    for i in np.flatnonzero(near):
        left, low = columns[i] + STAMP, rows[i] + STAMP
        stamp = np.outer(profile_of(y[i] - rows[i]), profile_of(x[i] - columns[i]))
        light[low : low + 2 * STAMP + 1, left : left + 2 * STAMP + 1] += rates[i] * stamp
    return light[pad:-pad, pad:-pad]


def rate_of(flux: np.ndarray, filter_name: str) -> np.ndarray:
    """Return DN/s of stars of given flux (Jy)."""
    return flux / (MJSR_PER_DN[filter_name] * PIXEL_AREA * 1e6)


def read_ramps(
    dice: np.random.Generator,
    light: np.ndarray,
    *,
    detector: Detector,
    subarray: Subarray,
    filter_name: str,
    groups: int,
    integrations: int,
) -> np.ndarray:
    """Return raw DN (integrations, groups, rows, columns), uint16, for light given in DN/s."""
    sky = SKY / (subarray.frame_time * groups)
    response = flat_of(detector, subarray, filter_name) * ~dead_pixels_of(detector, subarray)
    if subarray.border:
        response = response * ~reference_pixels_of(subarray)
    per_read = (light + sky) * response * subarray.frame_time * GAIN
    bias = bias_of(detector, subarray)
    ramps = np.empty((integrations, groups, subarray.size, subarray.size), "u2")
    for ramp in ramps:
        charge = _collect(dice, per_read, subarray, groups)
        ramp[:] = np.clip(np.round(_read(dice, charge, bias, subarray)), 0, 65535)
    return ramps


def profile_of(offset: float) -> np.ndarray:
    """Return the fractions of a star's light in the columns (or rows) around it."""
    edges = (np.arange(-STAMP, STAMP + 2) - 0.5 - offset) / (np.sqrt(2) * PSF_SIGMA)
    return np.diff(erf(edges)) / 2


def _collect(
    dice: np.random.Generator, per_read: np.ndarray, subarray: Subarray, groups: int
) -> np.ndarray:
    """Return the DN collected by each read: photons, dark current, cosmic rays."""
    charge = np.cumsum(dice.poisson(per_read, (groups, *per_read.shape)), axis=0) / GAIN
    charge += (np.arange(1, groups + 1) * DARK * subarray.frame_time)[:, None, None]
    for _ in range(dice.poisson(HITS * per_read.size)):
        since, row, column = dice.integers(1, groups), *dice.integers(0, subarray.size, 2)
        length = dice.integers(1, 4)
        charge[since:, row, column : column + length] += dice.uniform(*HIT)
    return charge


def _read(
    dice: np.random.Generator, charge: np.ndarray, bias: np.ndarray, subarray: Subarray
) -> np.ndarray:
    """Return the DN read of collected charge: with nonlinearity, bias and read noise."""
    if subarray.border:
        charge[:, reference_pixels_of(subarray)] = 0
    read = (np.sqrt(1 + 4 * NONLINEARITY * charge) - 1) / (2 * NONLINEARITY)
    read += bias + dice.normal(0, READ_NOISE, read.shape)
    if subarray.border:
        read += dice.normal(0, DRIFT, (len(read), 1, 1))
    return read
