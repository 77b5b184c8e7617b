"""Which pixels of two resampled images show the same sky."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jwmirror.compare.sky import north_of_up, pixel_offsets

SAME = 0.1  # pixels that places may be apart and count as the same
LOBES = "at a star, the difference then has a positive and a negative lobe"
EXPLAINED = 0.2  # part of the variance of a difference that a shift explains, if it is named
LEAST = 0.001  # pixels of a shift that is named
PART = 1 << 17  # pixels whose gradients are in memory at a time
NEAR = 0.5  # pixels that images of one shape may be shifted and are still compared as they are


class ShiftFit:
    """The shift of one image against the other that explains their difference best.

    `add` is called for parts of both. The difference of an image and the same image shifted a
    little is its gradient times the shift, so stars have a positive and a negative lobe. Gradients
    between pixels are too small at narrow stars, and so the shift is too large by some 10 %.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((4, 4))  # of the products of 1, both gradients, and the difference

    def add(self, old: np.ndarray, delta: np.ndarray) -> None:
        """Add a part of the old image, of two pixels or more on a side, and new - old."""
        rows = max(2, PART // old.shape[1])
        for first in range(0, old.shape[0], rows):
            strip = slice(first, first + rows)
            self._add_strip(old[strip], delta[strip])

    def _add_strip(self, old: np.ndarray, delta: np.ndarray) -> None:
        if min(old.shape) < 2:
            return
        down, right = np.gradient(old + delta / 2)
        terms = np.stack([np.ones(delta.shape), right, down, delta]).reshape(4, -1)
        terms = terms[:, np.isfinite(terms).all(axis=0)]
        self._sums += terms @ terms.T

    @property
    def shift(self) -> tuple[float, float]:
        """The length of the shift (pixels), and the part of the variance that it explains."""
        known, wanted, squares = self._sums[:3, :3], self._sums[:3, 3], self._sums[3, 3]
        if self._sums[0, 0] < 1:
            return 0.0, 0.0
        found = np.linalg.lstsq(known, wanted, rcond=None)[0]
        variance = squares - wanted[0] ** 2 / self._sums[0, 0]
        explained = found @ wanted - wanted[0] ** 2 / self._sums[0, 0]
        part = float(explained / variance) if variance > 0 else 0.0
        return float(np.hypot(found[1], found[2])), part

    @property
    def in_words(self) -> str:
        """The look of the difference at stars; "" if a shift does not explain it."""
        length, part = self.shift
        if part < EXPLAINED or length < LEAST:
            return ""
        return (
            f"much of the difference is as if stars were shifted by about {length:.1g} pixels: "
            "a positive and a negative lobe at each; alignment, grid or weights of the exposures "
            "differ by that little"
        )


@dataclass(frozen=True)
class Alignment:
    """The common part of two images: its first pixel (y, x) in each, and its size.

    Without a common part (a size of 0), the images can be shown, but not be subtracted.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def aligned(
    old_hdus: Mapping[str, Any],
    new_hdus: Mapping[str, Any],
    old_shape: tuple[int, ...],
    new_shape: tuple[int, ...],
    on_sky: bool,
) -> Alignment:
    """Return the pixels of SCI that belong together, by the coordinates if images are `on_sky`.

    Images of detectors are compared pixel by pixel. Shifts by whole pixels are undone; nothing is
    resampled.
    """
    if old_shape[:-2] != new_shape[:-2]:
        return _apart(f"the images have the shapes {_text(old_shape)} and {_text(new_shape)}")
    offsets = pixel_offsets(old_hdus, new_hdus, new_shape) if on_sky else None
    if offsets is None:
        if old_shape != new_shape:
            why = (
                "there are no coordinates to align them by" if on_sky else "they are not resampled"
            )
            shapes = f"the images have {_text(old_shape)} and {_text(new_shape)} pixels"
            return _apart(f"{shapes}, and {why}")
        return _as_they_are(new_shape)
    return _by_offsets(*offsets, old_shape, new_shape)


def _by_offsets(
    x: np.ndarray, y: np.ndarray, old_shape: tuple[int, ...], new_shape: tuple[int, ...]
) -> Alignment:
    shift = np.array([np.mean(y), np.mean(x)])
    turn = float(max(np.ptp(x), np.ptp(y)))
    largest = float(max(np.abs(x).max(), np.abs(y).max()))
    if old_shape == new_shape and largest < NEAR:
        moved = f"the sky is shifted by {largest:.2g} pixels under the pixels"
        note = f"{moved}, which are compared one by one: {LOBES}"
        return _as_they_are(new_shape, *([note] if largest > SAME / 2 else []))
    if turn > 2 * SAME:
        return _apart(
            f"the pixel grids are turned or scaled: by {turn:.2g} pixels at their corners"
        )
    whole = np.round(shift)
    if np.abs(shift - whole).max() > SAME:
        return _apart(f"the pixel grids are {shift[1]:.2f}, {shift[0]:.2f} pixels (x, y) apart")
    is_between = np.abs(shift - whole).max() > SAME / 2
    return _common_part(int(whole[0]), int(whole[1]), old_shape, new_shape, is_between)


def _common_part(
    down: int,
    right: int,
    old_shape: tuple[int, ...],
    new_shape: tuple[int, ...],
    is_between: bool,
) -> Alignment:
    """Return the part in which new pixel (y, x) is old pixel (y + down, x + right)."""
    new_start = max(0, -down), max(0, -right)
    old_start = new_start[0] + down, new_start[1] + right
    height = min(new_shape[-2] - new_start[0], old_shape[-2] - old_start[0])
    width = min(new_shape[-1] - new_start[1], old_shape[-1] - old_start[1])
    if height <= 0 or width <= 0:
        return _apart("the images show different parts of the sky")
    shift = f"aligned by a shift of {right}, {down} whole pixels (x, y)"
    note = f"{shift}; the common part of {width} x {height} pixels is shown"
    note += f"; the rest of the shift is less than a pixel: {LOBES}" if is_between else ""
    return Alignment(old_start, new_start, (height, width), (note,))


def _as_they_are(shape: tuple[int, ...], *notes: str) -> Alignment:
    return Alignment((0, 0), (0, 0), (shape[-2], shape[-1]), notes)


def _apart(why: str) -> Alignment:
    return Alignment((0, 0), (0, 0), (0, 0), (f"no difference is shown: {why}",))


def orientation(hdus: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    """Return where north is in a picture of SCI, in words; "" if that is unknown."""
    angle = north_of_up(hdus, shape)
    if angle is None:
        return ""
    side = "left" if angle > 0 else "right"
    return "north is up" if abs(angle) < 0.5 else f"north is {abs(angle):.0f} degrees {side} of up"


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, reversed(shape)))
