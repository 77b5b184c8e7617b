"""Two versions of an image, cube or exposure: maps to draw, and statistics, in one reading."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jwmirror.compare.arrays import subtract
from jwmirror.compare.fitsfiles import error_images, is_image
from jwmirror.compare.flags import FlagCounter
from jwmirror.compare.images import PixelCounts, over_error, sampling_step
from jwmirror.compare.pictures.alignment import Alignment, ShiftFit
from jwmirror.core.model.comparison import FlagDifference

if TYPE_CHECKING:
    from astropy.io.fits import ImageHDU

STRIP = 1 << 20  # pixels of one image that are in memory at a time
SAMPLE = 1 << 20  # pixels that medians and percentiles are of
FITTED = 1 << 22  # pixels that the shift of an image is fitted to
MAX_PIXELS = 1 << 28  # of an image
MAX_READ = (
    1 << 26
)  # pixels that are read of an image with several planes: of more, every n-th plane
MAX_SIDE = 1 << 17  # pixels
Hdus = Mapping[str, Any]  # HDUs of astropy by name


class BlockMeans:
    """Means of square blocks, which ignore NaN; `add` is called for rows of one plane or more.

    Blocks at the right and upper edge may be smaller, so no pixel is left out. Only sums and counts
    are kept in memory.
    """

    def __init__(self, height: int, width: int, step: int) -> None:
        self.step = step
        shape = (-(-height // step), -(-width // step))
        self._sums = np.zeros(shape)
        self._counts = np.zeros(shape, "i8")
        self._columns = np.arange(0, width, step)

    def add(self, first: int, rows: np.ndarray) -> None:
        """Add rows from number `first` on, which begins a block."""
        finite = np.isfinite(rows)
        place = slice(first // self.step, first // self.step + -(-len(rows) // self.step))
        self._sums[place] += self._blocks(np.where(finite, rows, 0))
        self._counts[place] += self._blocks(finite)

    def _blocks(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of each block. Rows are summed first: that is fast, and leaves little."""
        kind = "i8" if rows.dtype == bool else "f8"
        if self.step == 1:
            return rows.astype(kind)
        whole = len(rows) // self.step * self.step
        stacked = rows[:whole].reshape(-1, self.step, rows.shape[1])
        sums = stacked.sum(axis=1, dtype=kind)
        if whole < len(rows):  # at the upper edge
            sums = np.concatenate([sums, rows[None, whole:].sum(axis=1, dtype=kind)])
        return np.add.reduceat(sums, self._columns, axis=1)

    @property
    def means(self) -> np.ndarray:
        """The means (rows, columns); NaN where a block has no finite pixel."""
        empty = np.full(self._sums.shape, np.nan)
        return np.divide(self._sums, self._counts, out=empty, where=self._counts > 0)


def step_for(height: int, width: int, side: int) -> int:
    """Return the side of blocks (pixels) with which no side of a map is longer than `side`."""
    return max(1, -(-max(height, width) // side))


@dataclass(frozen=True)
class LargestPixel:
    """The pixel that differs most, in the new image; places are counted from 0."""

    value: float  # new - old
    plane: tuple[int, ...]
    y: int
    x: int


@dataclass
class PixelTotals:
    """Counts of pixels, and samples of their values; `add` is called for parts of both images."""

    expected: int = 0  # pixels of all parts
    largest: LargestPixel | None = None
    shift: ShiftFit = field(default_factory=ShiftFit)
    counts: PixelCounts = field(default_factory=PixelCounts)
    samples: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _position: int = 0

    def add(self, old: np.ndarray, new: np.ndarray, delta: np.ndarray, ratio: np.ndarray) -> None:
        """Count and sample a part; `delta` is new - old, `ratio` the same over the error."""
        self.counts += PixelCounts.of(old, new)
        every = sampling_step(self.expected, SAMPLE)
        start = -self._position % every
        self._position += old.size
        parts = {"old": old, "new": new, "delta": delta, "ratio": ratio}
        for name, values in parts.items():
            self.samples.setdefault(name, []).append(values.ravel()[start::every].copy())

    def add_largest(self, delta: np.ndarray, plane: tuple[int, ...], y: int, x: int) -> None:
        """Keep the pixel that differs most; that of delta[0, 0] is at y, x of the new image."""
        sizes = np.nan_to_num(np.abs(delta))
        row, column = divmod(int(np.argmax(sizes)), delta.shape[1])
        if sizes[row, column] > (abs(self.largest.value) if self.largest else 0):
            value = float(delta[row, column])
            self.largest = LargestPixel(value, plane, y + row, x + column)

    def sample(self, name: str) -> np.ndarray:
        """Return the sampled finite values of "old", "new", "delta" or "ratio"."""
        values = np.concatenate([np.empty(0), *self.samples.get(name, [])])
        return values[np.isfinite(values)]


@dataclass(frozen=True)
class MapSet:
    """Maps of both versions and of their difference (rows, columns); None if it is not defined."""

    old: np.ndarray
    new: np.ndarray
    difference: np.ndarray | None
    ratio: np.ndarray | None  # difference over error
    old_step: int  # pixels on a side that one of the map is the mean of
    new_step: int

    @property
    def in_words(self) -> str:
        """The number of pixels that one of a picture is the mean of; "" if it is one."""
        if max(self.old_step, self.new_step) == 1:
            return ""
        return f"each point of a picture is the mean of {self.new_step} x {self.new_step} pixels"


@dataclass
class _Maps:
    """The same while it is made; without `has_difference`, the two may have different shapes."""

    old: BlockMeans
    new: BlockMeans
    difference: BlockMeans
    ratio: BlockMeans

    @classmethod
    def of(cls, height: int, width: int, step: int) -> "_Maps":
        return cls(*(BlockMeans(height, width, step) for _ in range(4)))

    def done(self, has_errors: bool) -> MapSet:
        ratio = self.ratio.means if has_errors else None
        means = self.old.means, self.new.means, self.difference.means
        return MapSet(*means, ratio, self.old.step, self.new.step)


@dataclass(frozen=True)
class ImageResult:
    """What was read of two images: the map of all planes, that of one plane, and totals."""

    maps: MapSet
    plane: MapSet | None
    totals: PixelTotals
    has_errors: bool
    planes: int  # that were read
    plane_step: int  # every n-th plane was read

    @property
    def planes_in_words(self) -> str:
        """The numbers of planes and pixels that maps are the mean of; "" of single ones."""
        if self.planes == 1:
            return self.maps.in_words
        part = f"one plane in {self.plane_step} was read" if self.plane_step > 1 else ""
        mean = f"the mean of {self.planes} planes (integrations or wavelengths) is shown"
        return "; ".join(filter(None, (mean, part, self.maps.in_words)))


def checked_image(hdus: Hdus, name: str) -> "ImageHDU":
    """Return the image of a name; ValueError if it is absent or cannot be drawn."""
    hdu = hdus.get(name)
    if hdu is None or not is_image(hdu):
        raise ValueError(f"expected an image {name}, found none")
    shape: tuple[int, ...] = hdu.shape
    if not 2 <= len(shape) <= 4 or not all(0 < side <= MAX_SIDE for side in shape):
        raise ValueError(f"expected an image of 2 to 4 axes, found the axes {shape}")
    if shape[-1] * shape[-2] > MAX_PIXELS or np.dtype(hdu.section.dtype).kind not in "iuf":
        raise ValueError(f"an image {name} of {shape[-1]} x {shape[-2]} pixels is not drawn")
    return hdu


def read_pair(
    old_hdus: Hdus, new_hdus: Hdus, name: str, alignment: Alignment, side: int, plane: int = -1
) -> ImageResult:
    """Read two images once, and return their maps of at most `side` pixels, and statistics.

    Of images with several planes, the maps are means over the planes; `plane` is the number of one
    that is wanted by itself (-1: none).
    """
    old, new = checked_image(old_hdus, name), checked_image(new_hdus, name)
    planes = [*np.ndindex(new.shape[:-2])]
    every = sampling_step(len(planes), max(1, MAX_READ // (new.shape[-1] * new.shape[-2])))
    if not all(alignment.size):
        return _read_apart(old, new, side, every)
    errors = error_images(name, dict(old_hdus), dict(new_hdus))
    height, width = alignment.size
    step = step_for(height, width, side)
    maps, alone = _Maps.of(height, width, step), _Maps.of(height, width, step)
    chosen = dict.fromkeys([*range(0, len(planes), every), *([plane] if plane >= 0 else [])])
    totals = PixelTotals(expected=len(chosen) * height * width)
    for number in chosen:
        images = (old, new, *(errors or ()))
        for first, parts in _strips(images, planes[number], alignment, step):
            delta = _add(parts, first, totals, [maps, alone] if number == plane else [maps])
            y, x = alignment.new
            totals.add_largest(delta, planes[number], y + first, x)
            if len(planes) == 1 and first < FITTED // width:
                totals.shift.add(parts[0], delta)
    has_errors = errors is not None
    lone = alone.done(has_errors) if plane >= 0 else None
    return ImageResult(maps.done(has_errors), lone, totals, has_errors, len(chosen), every)


def _strips(
    images: "tuple[ImageHDU, ...]", plane: tuple[int, ...], alignment: Alignment, step: int
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield (first row, parts of the images) of the common part, in whole blocks of rows."""
    height, width = alignment.size
    rows = step * max(1, STRIP // (width * step))
    for first in range(0, height, rows):
        last = min(first + rows, height)
        parts = []
        for number, image in enumerate(images):
            y, x = alignment.new if number % 2 else alignment.old
            part = image.section[(*plane, slice(y + first, y + last), slice(x, x + width))]
            parts.append(_native(part))
        yield first, parts


def _native(pixels: np.ndarray) -> np.ndarray:
    """Return pixels in the byte order of this machine, as floats."""
    kind = "f4" if pixels.dtype.kind == "f" and pixels.dtype.itemsize <= 4 else "f8"
    return pixels.astype(kind)


def _add(parts: list[np.ndarray], first: int, totals: PixelTotals, maps: list[_Maps]) -> np.ndarray:
    """Add a part of both images; return new - old."""
    old, new, *errors = parts
    delta = subtract(new, old)
    ratio = over_error(delta, *errors) if errors else np.full(delta.shape, np.nan)
    totals.add(old, new, delta, ratio)
    for each in maps:
        each.old.add(first, old)
        each.new.add(first, new)
        each.difference.add(first, delta)
        if errors:
            each.ratio.add(first, ratio)
    return delta


def _read_apart(old: "ImageHDU", new: "ImageHDU", side: int, every: int) -> ImageResult:
    """Return the maps of two images that cannot be subtracted."""
    totals, means = PixelTotals(), []
    for name, image in (("old", old), ("new", new)):
        height, width = image.shape[-2:]
        blocks = BlockMeans(height, width, step_for(height, width, side))
        whole = Alignment((0, 0), (0, 0), (height, width))
        sampled = sampling_step(math.prod(image.shape) // every, SAMPLE)
        for plane in [*np.ndindex(image.shape[:-2])][::every]:
            for first, (part,) in _strips((image,), plane, whole, blocks.step):
                blocks.add(first, part)
                totals.samples.setdefault(name, []).append(part.ravel()[::sampled].copy())
        means.append(blocks)
    maps = MapSet(means[0].means, means[1].means, None, None, means[0].step, means[1].step)
    planes = math.prod(new.shape[:-2]) // every
    return ImageResult(maps, None, totals, False, planes, every)


def flag_changes(
    old_hdus: Hdus, new_hdus: Hdus, name: str
) -> tuple[int, tuple[FlagDifference, ...]] | None:
    """Return how many pixels have other flags in DQ, and the flags; those that changed most first.

    None if the images of flags cannot be compared.
    """
    name = name.replace("SCI", "DQ")
    images = [hdus[name] for hdus in (old_hdus, new_hdus) if name in hdus]
    if len(images) != 2 or not all(map(is_image, images)) or images[0].shape != images[1].shape:
        return None
    if any(np.dtype(image.section.dtype).kind not in "iu" for image in images):
        return None
    counter, changed = FlagCounter(), 0
    height, width = images[0].shape[-2:]
    whole = Alignment((0, 0), (0, 0), (height, width))
    planes = [*np.ndindex(images[0].shape[:-2])]
    every = sampling_step(len(planes), max(1, MAX_READ // (height * width)))
    for plane in planes[::every]:
        for _, parts in _strips((images[0], images[1]), plane, whole, 1):
            old, new = (part.astype("u8") for part in parts)
            counter.add(old, new)
            changed += int(np.count_nonzero(old != new))
    found = sorted(counter.differences(name), key=lambda flag: -flag.gained - flag.lost)
    return changed, tuple(found)
