"""How the pixels of two images differ; a million at a time, however large the images are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jwmirror.compare.flags import Flags
from jwmirror.core.model.comparison import ImageDifference, PixelStatistics

CHUNK = 1 << 20  # pixels read at a time
SAMPLE = 1 << 23  # pixels of which medians and quantiles are taken; of more, each n-th is used
KINDS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX
OVER_ERROR = (50, 90, 99)  # percentiles


@dataclass(frozen=True)
class Pixels:
    """Where the pixels of an image are in a file, and what they are."""

    path: Path
    offset: int  # bytes
    shape: tuple[int, ...]
    raw: str  # numpy's type of what is on disk
    scale: float = 1
    zero: float = 0

    @property
    def count(self) -> int:
        """The number of pixels."""
        return math.prod(self.shape) if self.shape else 0

    @property
    def type(self) -> str:
        """The type of the values, as numpy names it."""
        kind = np.dtype(self.raw).newbyteorder("=")
        if (self.scale, self.zero) == (1, 0):
            return kind.name
        half = 2 ** (8 * kind.itemsize - 1)
        if self.scale == 1 and kind.kind == "i" and self.zero == half:
            return f"u{kind.name}"
        return "int8" if (self.raw, self.scale, self.zero) == ("u1", 1, -128) else "float64"

    def stored(self, start: int, count: int) -> np.ndarray:
        """Pixels as they are on disk, from `start` in reading order; OSError if they end early."""
        size = np.dtype(self.raw).itemsize
        found = np.fromfile(self.path, self.raw, count, offset=self.offset + start * size)
        if len(found) != count:
            raise OSError(f"its pixels end at {start + len(found)} of {self.count}")
        return found

    def values(self, start: int, count: int) -> np.ndarray:
        """Pixels as float64; integers as int64 (those of 64 bits unsigned as uint64)."""
        found = self.stored(start, count)
        if self.type == "uint64":
            return found.view(">u8").astype("u8") ^ np.uint64(1 << 63)
        if self.type.startswith(("int", "uint")):
            return found.astype("i8") + int(self.zero)
        return found.astype("f8") * self.scale + self.zero


def pixels_of(path: Path, header: Any, offset: int) -> Pixels:
    """The pixels that a FITS header describes, whose data begin at byte `offset`."""
    axes = [header[f"NAXIS{axis}"] for axis in range(header["NAXIS"], 0, -1)]
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    return Pixels(Path(path), offset, tuple(axes), KINDS[header["BITPIX"]], scale, zero)


def compare_images(
    hdu: str, old: Pixels, new: Pixels, errors: tuple[Pixels, Pixels] | None = None
) -> ImageDifference | None:
    """How two images differ; None if all of their bytes are the same.

    `errors` are the ERR images of both, of the same shape, to measure the difference by.
    """
    facts = {
        "hdu": hdu,
        "old_shape": old.shape,
        "new_shape": new.shape,
        "old_type": old.type,
        "new_type": new.type,
    }
    if old.shape != new.shape:
        return ImageDifference(**facts)
    if old.type == new.type and not any(_bytes_differ(old, new)):
        return None
    if hdu.partition(",")[0].endswith("DQ"):
        return ImageDifference(**facts, pixels=old.count, **_flag_changes(hdu, old, new))
    return ImageDifference(**facts, pixels=old.count, **_pixel_changes(old, new, errors))


def _places(count: int) -> Iterator[tuple[int, int]]:
    """The start and length of each chunk."""
    return ((start, min(CHUNK, count - start)) for start in range(0, count, CHUNK))


def _bytes_differ(old: Pixels, new: Pixels) -> Iterator[bool]:
    for place in _places(old.count):
        was, now = old.stored(*place), new.stored(*place)
        yield not np.array_equal(was.view("u1"), now.view("u1"))


def _flag_changes(hdu: str, old: Pixels, new: Pixels) -> dict[str, Any]:
    flags, changed = Flags(), 0
    for place in _places(old.count):
        was, now = (each.values(*place).astype("u8") for each in (old, new))
        flags.add(was, now)
        changed += int(np.count_nonzero(was != now))
    return {"changed": changed, "bits": flags.bits(hdu)}


def _pixel_changes(
    old: Pixels, new: Pixels, errors: tuple[Pixels, Pixels] | None
) -> dict[str, Any]:
    every = _stride(old)
    changed, old_nan, new_nan, largest = 0, 0, 0, 0.0
    steps, ratios = [], []
    for place in _places(old.count):
        was, now = old.values(*place), new.values(*place)
        lacks = np.isnan(was), np.isnan(now)
        old_nan += int(np.count_nonzero(lacks[0]))
        new_nan += int(np.count_nonzero(lacks[1]))
        changed += int(np.count_nonzero((was != now) & ~(lacks[0] & lacks[1])))
        step = _difference(was, now)
        largest = max(largest, float(np.nanmax(np.abs(step), initial=0.0)))
        part = slice(-place[0] % every, None, every)
        steps.append(step[part][np.isfinite(step[part])])
        if errors:
            ratios.append(_over_error(step[part], *(e.values(*place)[part] for e in errors)))
    found = np.concatenate(steps) if steps else np.empty(0)
    spread = _spread(found, largest, np.concatenate(ratios) if ratios else None, every)
    return {"changed": changed, "old_nan": old_nan, "new_nan": new_nan, "spread": spread}


def _stride(pixels: Pixels) -> int:
    """Which pixels are used for quantiles: each n-th, with n prime to all lengths of the image."""
    every = -(-pixels.count // SAMPLE)
    while every > 1 and math.gcd(every, pixels.count) > 1:
        every += 1
    return max(every, 1)


def _difference(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """new - old as float64; NaN where one is not finite."""
    with np.errstate(invalid="ignore"):
        if old.dtype == new.dtype == np.dtype("i8"):
            return (new - old).astype("f8")
        step = new.astype("f8") - old.astype("f8")
    return np.where(np.isfinite(step), step, np.nan)


def _over_error(step: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """|difference| over the error (root mean square of both), where there are both."""
    error = np.sqrt((old**2 + new**2) / 2)
    usable = np.isfinite(step) & (step != 0) & np.isfinite(error) & (error > 0)
    return np.abs(step[usable]) / error[usable]


def _spread(
    steps: np.ndarray, largest: float, ratios: np.ndarray | None, every: int
) -> PixelStatistics | None:
    if not len(steps):
        return None
    median = float(np.median(steps))
    mad = float(np.median(np.abs(steps - median)))
    quantiles = None
    if ratios is not None and len(ratios):
        quantiles = tuple(float(each) for each in np.percentile(ratios, OVER_ERROR))
    return PixelStatistics(
        median=median, mad=mad, largest=largest, over_error=quantiles, every=every
    )
