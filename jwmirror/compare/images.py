"""Differences between the pixels of two images, which are read block by block."""

import math
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from jwmirror.compare.arrays import subtract
from jwmirror.compare.flags import FlagCounter
from jwmirror.core.model.comparison import ImageDifference, PixelStatistics

if TYPE_CHECKING:
    from astropy.io.fits import ImageHDU

    ImagePair = tuple[ImageHDU, ImageHDU]

BLOCK = 1 << 20  # pixels read at a time
SAMPLE = 1 << 23  # pixels used for medians and percentiles; of larger images, every n-th pixel
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class PixelCounts:
    """Numbers of pixels of two images; NaN is no value."""

    pixels: int = 0  # that have a value in both
    changed: int = 0  # of them
    old_nan: int = 0
    new_nan: int = 0
    gained: int = 0  # pixels with a value in the new image only
    lost: int = 0  # in the old one only

    @classmethod
    def of(cls, old: np.ndarray, new: np.ndarray) -> Self:
        """Return the counts of two arrays of the same shape."""
        no_old, no_new = np.isnan(old), np.isnan(new)
        unequal = int(np.count_nonzero(old != new))  # NaN is not equal to anything
        old_nan, new_nan = int(np.count_nonzero(no_old)), int(np.count_nonzero(no_new))
        neither = int(np.count_nonzero(no_old & no_new))
        without = old_nan + new_nan - neither
        return cls(
            pixels=old.size - without,
            changed=unequal - without,
            old_nan=old_nan,
            new_nan=new_nan,
            gained=old_nan - neither,
            lost=new_nan - neither,
        )

    def __add__(self, other: Self) -> Self:
        return type(self)(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def compare_images(
    name: str, old: "ImageHDU", new: "ImageHDU", errors: "ImagePair | None" = None
) -> ImageDifference | None:
    """Return how two images differ; None if all pixels have the same bytes.

    `errors` are the ERR images of both, of the same shape, for the ratio of difference and error.
    Values are as astropy scales them (BSCALE, BZERO).
    """
    difference = ImageDifference(
        hdu=name,
        old_shape=old.shape,
        new_shape=new.shape,
        old_type=pixel_type(old),
        new_type=pixel_type(new),
        unit=_common_unit(old, new),
    )
    if old.shape != new.shape:
        return difference
    if difference.old_type == difference.new_type and _have_equal_bytes(old, new):
        return None
    if name.partition(",")[0].endswith("DQ") and _are_integers(old, new):
        return _with_flags(difference, old, new)
    return _with_statistics(difference, old, new, errors)


def pixel_type(image: "ImageHDU") -> str:
    """Return numpy's name of the type of the pixels, after scaling."""
    return np.dtype(image.section.dtype).newbyteorder("=").name


def _common_unit(old: "ImageHDU", new: "ImageHDU") -> str:
    """Return the BUNIT of two images; "" if they have none, or different ones."""
    units = {str(image.header.get("BUNIT") or "").strip() for image in (old, new)}
    return units.pop() if len(units) == 1 else ""


def _are_integers(*images: "ImageHDU") -> bool:
    return all(np.dtype(image.section.dtype).kind in "iu" for image in images)


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[int | slice, ...]]:
    """Yield indices of contiguous blocks of at most BLOCK pixels, in the order of the file."""
    if 0 in shape or not shape:
        return
    axis = next(i for i in range(len(shape)) if math.prod(shape[i + 1 :]) <= BLOCK)
    step = BLOCK // math.prod(shape[axis + 1 :])
    for leading in np.ndindex(shape[:axis]):
        for start in range(0, shape[axis], step):
            yield (*leading, slice(start, start + step))


def _have_equal_bytes(old: "ImageHDU", new: "ImageHDU") -> bool:
    blocks = _blocks(old.shape)
    return all(old.section[each].tobytes() == new.section[each].tobytes() for each in blocks)


def _with_flags(difference: ImageDifference, old: "ImageHDU", new: "ImageHDU") -> ImageDifference:
    """Add how many pixels changed, and which flags they gained and lost."""
    flags, pixels, changed = FlagCounter(), 0, 0
    for block in _blocks(old.shape):
        old_flags, new_flags = (image.section[block].astype("u8") for image in (old, new))
        flags.add(old_flags, new_flags)
        pixels += old_flags.size
        changed += int(np.count_nonzero(old_flags != new_flags))
    return replace(
        difference, pixels=pixels, changed=changed, bits=flags.differences(difference.hdu)
    )


def _with_statistics(
    difference: ImageDifference, old: "ImageHDU", new: "ImageHDU", errors: "ImagePair | None"
) -> ImageDifference:
    """Add the counts of changed pixels and of NaN, and the statistics of new - old."""
    every = sampling_step(math.prod(old.shape), SAMPLE)
    counts, position = PixelCounts(), 0
    largest, at = 0.0, -1  # the index of its pixel in the flat image
    deltas, ratios = [np.empty(0)], [np.empty(0)]
    for block in _blocks(old.shape):
        old_pixels, new_pixels = (image.section[block].ravel() for image in (old, new))
        counts += PixelCounts.of(old_pixels, new_pixels)
        delta = subtract(new_pixels, old_pixels)
        sizes = np.nan_to_num(np.abs(delta), nan=-1.0)
        index = int(np.argmax(sizes))
        if sizes[index] > abs(largest):
            largest, at = float(delta[index]), position + index
        sample = slice(-position % every, None, every)
        position += delta.size
        deltas.append(delta[sample][np.isfinite(delta[sample])])
        if errors:
            sampled = (error.section[block].ravel()[sample] for error in errors)
            ratios.append(_sizes_over_error(delta[sample], *sampled))
    statistics = _statistics(np.concatenate(deltas), largest, np.concatenate(ratios), every)
    if statistics and at >= 0:
        place = tuple(int(index) for index in np.unravel_index(at, old.shape))
        statistics = replace(statistics, place=place[::-1])
    return replace(difference, **asdict(counts), spread=statistics)


def sampling_step(count: int, sample: int) -> int:
    """Return n such that every n-th pixel makes a sample: prime to the count, so to all lengths."""
    every = max(-(-count // sample), 1)
    while math.gcd(every, count) > 1:
        every += 1
    return every


def over_error(delta: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return delta / error, with the root mean square of both errors; NaN where one is not > 0."""
    error = np.hypot(old.astype("f8"), new.astype("f8")) / math.sqrt(2)
    usable = np.isfinite(delta) & np.isfinite(error) & (error > 0)
    return np.divide(delta, error, out=np.full(delta.shape, np.nan), where=usable)


def _sizes_over_error(delta: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return |delta| / error of the pixels that differ, where it is defined."""
    ratios = np.abs(over_error(delta, old, new)[delta != 0])
    return ratios[np.isfinite(ratios)]


def _statistics(
    deltas: np.ndarray, largest: float, ratios: np.ndarray, every: int
) -> PixelStatistics | None:
    """Return the statistics of sampled differences; None if no pixel is finite in both."""
    if not len(deltas):
        return None
    median = float(np.median(deltas))
    mad = float(np.median(np.abs(deltas - median)))
    over_error = None
    if len(ratios):
        low, middle, high = map(float, np.percentile(ratios, PERCENTILES))
        over_error = (low, middle, high)
    return PixelStatistics(
        median=median, mad=mad, largest=largest, over_error=over_error, every=every
    )
