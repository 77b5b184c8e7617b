"""Pictures of mosaics side by side: MAST's and the recalibrated one, under one stretch."""

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jwmirror.core.errors import StoreError, plain_text

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
    """Read the SCI image of a FITS file; StoreError if it has none."""
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            pixels = np.array(hdus["SCI"].data, dtype="f4")
            unit = str(hdus["SCI"].header.get("BUNIT", ""))
    except (OSError, KeyError, TypeError, ValueError) as err:
        raise StoreError(f"{path}: no SCI image can be read from it ({plain_text(err)}).") from err
    pixels[~np.isfinite(pixels)] = np.nan
    if pixels.ndim != 2 or np.isnan(pixels).all():
        raise StoreError(
            f"{path}: expected a SCI image of two axes, found {pixels.shape} pixels, "
            f"{np.isfinite(pixels).sum()} of them finite."
        )
    return Panel(title=title, pixels=pixels, unit=unit)


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
