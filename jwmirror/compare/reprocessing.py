"""How the content of a file differs that MAST reprocessed: header only, or pixels by how much."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from jwmirror.compare.fitsfiles import is_image, opened_hdus
from jwmirror.compare.versions import compare_content
from jwmirror.core.model.comparison import Comparison
from jwmirror.core.model.history.causes import ContentChange

REFERENCES = 8  # that a record names
SCIENCE = "SCI"
SAMPLE = 1 << 18  # pixels of each version that the noise is measured on
MOST_PLANES = 16  # of them: of more integrations or wavelengths, every n-th
TO_SIGMA = 1.4826  # from the median absolute deviation to sigma, of a normal distribution
DIGITS = 4  # significant, of the change of the noise


def content_change(old: Path, new: Path, filename: str) -> ContentChange:
    """Return how two versions of a file differ, whose bytes are known to differ.

    Each version is read once, and a part of it again for the noise. `filename` gives the kind.

    Raises:
        StoreError: a file cannot be read.
    """
    comparison = compare_content(old, new, filename)
    return ContentChange(
        verdict=comparison.verdict,
        sigma=_sigma(comparison),
        references=comparison.references[:REFERENCES],
        noise=_noise_change(comparison, old, new, filename),
    )


def _sigma(comparison: Comparison) -> float | None:
    """Return the median of |difference| / ERR over the pixels of SCI that differ."""
    for image in comparison.images:
        if image.hdu == SCIENCE and image.spread and image.spread.over_error:
            return image.spread.over_error[0]
    return None


def _noise_change(comparison: Comparison, old: Path, new: Path, filename: str) -> float | None:
    """Return the relative change of the noise of SCI; None if SCI has equal pixels, or is no image.

    The noise is the robust scatter between neighbours in rows, so that sources and gradients do not
    count; of a ramp, in the last group minus the first one.
    """
    if not any(
        each.hdu == SCIENCE and each.old_shape == each.new_shape for each in comparison.images
    ):
        return None
    noises = []
    for path in (old, new):
        with opened_hdus(path, filename) as hdus:
            noises.append(_noise(_sampled(hdus[SCIENCE])) if is_image(hdus[SCIENCE]) else 0.0)
    return float(f"{noises[1] / noises[0] - 1:.{DIGITS}g}") if all(noises) else None


def _sampled(image: Any) -> np.ndarray:  # Any: an ImageHDU of astropy
    """Return rows of an image of two axes or more, as a matrix."""
    *planes, height, width = image.shape
    rows = slice(
        None, None, max(1, -(-height * width * min(math.prod(planes), MOST_PLANES) // SAMPLE))
    )
    if len(planes) == 2:  # integrations and groups
        first, last = (image.section[0, group, rows].astype("f8") for group in (0, -1))
        return last - first if planes[1] > 1 else last
    numbers = [*np.ndindex(*planes)]
    step = -(-len(numbers) // MOST_PLANES)
    parts = [image.section[(*number, rows)].astype("f8") for number in numbers[::step]]
    return np.concatenate(parts)


def _noise(rows: np.ndarray) -> float:
    """Return the robust scatter of the differences of neighbours, over sqrt(2); 0 without any."""
    differences = np.diff(rows, axis=-1)
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return 0.0
    scatter = np.median(np.abs(differences - np.median(differences)))
    return TO_SIGMA * float(scatter) / math.sqrt(2)
