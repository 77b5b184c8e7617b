"""Quantities of the images in a FITS file; docs/quality.md explains each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from jwmirror.core.model.quality import MEASURED_FLAGS
from jwmirror.pipeline.measure.arrays import (
    SAMPLE,
    flag_bits,
    neighbour_noise,
    noise_balance,
    read_rows,
    row_step,
    rows_like,
    statistics_of,
)

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, ImageHDU

SCIENCE = "SCI"
WEIGHTS = ("WHT", "WMAP")  # of resampled images and cubes: 0 where no input has data
WITHOUT_DATA = ("NON_SCIENCE", "REFERENCE_PIXEL")  # flags of pixels that never have data
MOST_IMAGES = 200  # that are read; of more slits, every n-th


@dataclass
class ImageSample:
    """Counts and values of the sampled pixels of all science images of a file."""

    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    values: list[np.ndarray] = field(default_factory=list)  # of good pixels
    rows: list[np.ndarray] = field(default_factory=list)  # NaN where a pixel is not good

    def count(self, name: str, pixels: np.ndarray, total: int | None = None) -> None:
        """Count the pixels that are true, of `total`."""
        self.counts[name] = self.counts.get(name, 0) + int(np.count_nonzero(pixels))
        self.totals[name] = self.totals.get(name, 0) + (pixels.size if total is None else total)

    @property
    def fractions(self) -> dict[str, float | None]:
        """The fraction of each count; without those of no pixels."""
        return {name: self.counts[name] / total for name, total in self.totals.items() if total}


def image_quantities(hdus: "HDUList") -> dict[str, float | None]:
    """Return the quantities of the science images of a file; empty if it has none.

    Large images are sampled in rows, in steps that depend on the shape alone.
    """
    images = {hdu.ver: hdu for hdu in hdus if _is_science(hdu)}  # EXTVER counts slits
    if not images:
        return {}
    beside: dict[int, dict[str, ImageHDU]] = {number: {} for number in images}
    for hdu in hdus:
        if hdu.is_image and hdu.ver in beside:
            beside[hdu.ver][hdu.name] = hdu
    sample, chosen = ImageSample(), [*images.values()][:: -(-len(images) // MOST_IMAGES)]
    for image in chosen:
        _add_image(sample, image, beside[image.ver], SAMPLE // len(chosen))
    pixels = sum(float(np.prod(image.shape)) for image in images.values())
    values = np.concatenate(sample.values).astype("f8")
    statistics = statistics_of(values, [neighbour_noise(rows) for rows in sample.rows])
    if len(sample.rows) == 1:
        (shape,) = (image.shape for image in chosen)
        step = row_step(shape, SAMPLE)
        statistics["noise_balance"] = noise_balance(sample.rows[0], shape, step)
    return {"pixels": pixels, **sample.fractions, **statistics}


def _is_science(hdu: "ImageHDU") -> bool:
    is_image = hdu.is_image and hdu.name == SCIENCE and len(hdu.shape) > 1
    return bool(is_image and np.dtype(hdu.section.dtype).kind == "f")


def _add_image(
    sample: ImageSample, image: "ImageHDU", beside: Mapping[str, "ImageHDU"], limit: int
) -> None:
    """Add one science image with its flags and weights to the sample."""
    step = row_step(image.shape, limit)
    values = read_rows(image, step)
    expected = np.ones(values.shape, bool)
    usable = np.isfinite(values)
    if (flags := _rows_of(("DQ", "PIXELDQ"), beside, image.shape, step)) is not None:
        expected &= (flags & flag_bits(*WITHOUT_DATA)) == 0
        usable &= (flags & flag_bits("DO_NOT_USE")) == 0
    if (groups := _rows_of(("GROUPDQ",), beside, image.shape, step)) is not None:
        flags = groups
    if (weights := _rows_of(WEIGHTS, beside, image.shape, step)) is not None:
        covered = np.nan_to_num(weights) > 0
        sample.count("covered", covered)
        sample.count("holes", _enclosed(covered) & ~covered, int(np.count_nonzero(covered)))
        expected &= covered
    sample.count("nan", (~np.isfinite(values))[expected])
    sample.count("usable", usable[expected])
    if flags is not None:
        for name, quantity in MEASURED_FLAGS.items():
            sample.count(quantity, (flags[expected] & flag_bits(name)) != 0)
    good = np.where(usable & expected, values, np.nan)
    sample.values.append(good[np.isfinite(good)])
    sample.rows.append(good)


def _rows_of(
    names: Sequence[str], beside: Mapping[str, "ImageHDU"], shape: tuple[int, ...], step: int
) -> np.ndarray | None:
    """Return the rows of the first of these images that fit those of an image of `shape`."""
    image = next((beside[name] for name in names if name in beside), None)
    return rows_like(image, shape, step) if image is not None and image.shape else None


def _enclosed(covered: np.ndarray) -> np.ndarray:
    """Return which pixels are between two covered ones of their row."""
    before = np.maximum.accumulate(covered, axis=1)
    after = np.maximum.accumulate(covered[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(before & after)
