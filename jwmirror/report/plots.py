"""Pictures of mosaics side by side: MAST's and the recalibrated one, under one stretch."""

import base64
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jwmirror.core.errors import StoreError, failures_as

MAX_PIXELS = 1 << 26  # that are read of an image
LONGEST_SIDE = 1 << 17  # pixels
MAX_SIDE = 480  # pixels of one panel
PANEL_WIDTH = 5.0  # inches
MAX_HEIGHT = 10.0  # inches of one panel
TITLE_HEIGHT = 0.4  # inches
DPI = 110
NO_DATA = "#31456a"  # colour


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One image and its title; pixels (rows, columns) in `unit`, NaN where there are no data."""

    title: str
    pixels: np.ndarray
    unit: str

    def describe_sky(self) -> str:
        """Return median and robust scatter (1.4826 MAD) of all pixels, as text."""
        from astropy.stats import mad_std

        median, scatter = np.nanmedian(self.pixels), mad_std(self.pixels, ignore_nan=True)
        return f"{self.title}: median {median:.4g}, scatter {scatter:.3g} {self.unit}".strip()


def read_image(title: str, path: Path) -> Panel:
    """Read the SCI image of a FITS file; StoreError if it has none.

    Of an image of more than MAX_PIXELS, every n-th row and column is read.
    """
    from astropy.io import fits

    with (
        failures_as(lambda why: StoreError(f"{path}: no SCI image can be read from it ({why}).")),
        fits.open(path, memmap=False, disable_image_compression=True) as hdus,
    ):
        pixels = _sampled(hdus["SCI"])
        unit = str(hdus["SCI"].header.get("BUNIT", ""))
    pixels[~np.isfinite(pixels)] = np.nan
    if np.isnan(pixels).all():
        raise StoreError(f"{path}: expected a SCI image, found no finite pixel in it.")
    return Panel(title=title, pixels=pixels, unit=unit)


def _sampled(hdu: Any) -> np.ndarray:  # an HDU of astropy, which has no types
    """Return the pixels of an image, at most MAX_PIXELS; ValueError if it has other axes than 2."""
    shape: tuple[int, ...] = getattr(hdu, "shape", ())  # tables have none
    if len(shape) != 2 or max(shape) > LONGEST_SIDE:
        raise ValueError(f"expected an image of two axes, found the axes {shape}")
    step = math.ceil(math.sqrt(math.prod(shape) / MAX_PIXELS)) or 1
    rows = [hdu.section[row][::step] for row in range(0, shape[0], step)]
    return np.array(rows, dtype="f4")


def side_by_side(images: Sequence[Panel]) -> str:
    """Return the images in a row as a PNG data URI, all under the zscale stretch of the first."""
    from astropy.visualization import ZScaleInterval
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    small = [shrink(image.pixels) for image in images]
    low, high = ZScaleInterval().get_limits(small[0][np.isfinite(small[0])])
    height = min(PANEL_WIDTH * max(len(pixels) / len(pixels[0]) for pixels in small), MAX_HEIGHT)
    figure = Figure(figsize=(PANEL_WIDTH * len(small), height + TITLE_HEIGHT), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(0, 0, 1, height / (height + TITLE_HEIGHT), wspace=0.02)
    panels = figure.subplots(1, len(small), squeeze=False)[0]
    for axes, image, pixels in zip(panels, images, small, strict=True):
        axes.imshow(pixels, origin="lower", cmap="gray", vmin=low, vmax=high)
        axes.set(facecolor=NO_DATA, xticks=[], yticks=[])
        axes.set_title(image.title, fontsize=11)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def shrink(pixels: np.ndarray, side: int = MAX_SIDE) -> np.ndarray:
    """Return the means of square blocks, so many that no side is longer than `side`.

    NaN is ignored; a block of NaN only is NaN. Rows and columns that fill no block are left out.
    """
    from astropy.nddata import block_reduce

    step = -(-max(pixels.shape) // side)
    block = tuple(min(step, length) for length in pixels.shape)
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # blocks of NaN only
        return block_reduce(pixels, block, func=np.nanmean)
