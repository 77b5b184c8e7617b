"""Pictures of mosaics: upstream beside recalibrated, under one stretch."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jwmirror.core.errors import StoreError

SIDE = 480  # pixels at most, of one panel
WIDTH = 5.0  # inches of one panel
TALLEST = 10.0  # inches
TITLE = 0.4  # inches above a panel
DPI = 110
EMPTY = "#31456a"  # where there are no data


@dataclass(frozen=True, kw_only=True)
class Panel:
    """An image (rows, columns) in `unit`, NaN where there are no data, and what it is called."""

    title: str
    pixels: np.ndarray
    unit: str

    def measured(self) -> str:
        """Its median and robust scatter (1.4826 MAD), in words."""
        known = self.pixels[np.isfinite(self.pixels)]
        median = np.median(known)
        scatter = 1.4826 * np.median(np.abs(known - median))
        return f"{self.title}: median {median:.4g}, scatter {scatter:.3g} {self.unit}".strip()


def read_image(title: str, path: Path) -> Panel:
    """The SCI image of a FITS file; StoreError if it has none."""
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            pixels = np.asarray(hdus["SCI"].data, dtype="f4")
            unit = str(hdus["SCI"].header.get("BUNIT", ""))
    except (OSError, KeyError, TypeError, ValueError) as err:
        raise StoreError(f"{path}: no SCI image can be read from it ({err}).") from err
    if pixels.ndim != 2 or not np.isfinite(pixels).any():
        raise StoreError(f"{path}: its SCI extension, of shape {pixels.shape}, is no image.")
    return Panel(title=title, pixels=pixels, unit=unit)


def side_by_side(images: Sequence[Panel]) -> str:
    """The images in a row as a PNG data URI, all under the zscale stretch of the first."""
    from astropy.visualization import ZScaleInterval
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [shrink(image.pixels) for image in images]
    low, high = ZScaleInterval().get_limits(panels[0][np.isfinite(panels[0])])
    tall = min(WIDTH * max(rows / columns for rows, columns in (p.shape for p in panels)), TALLEST)
    figure = Figure(figsize=(WIDTH * len(panels), tall + TITLE), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(0, 0, 1, tall / (tall + TITLE), wspace=0.02)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, image, panel in zip(row, images, panels, strict=True):
        axes.imshow(panel, origin="lower", cmap="gray", vmin=low, vmax=high)
        axes.set(facecolor=EMPTY, xticks=[], yticks=[])
        axes.set_title(image.title, fontsize=11)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def shrink(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The pixels averaged in square blocks, so that no side is longer than `side`.

    A block without any data is NaN; rows and columns that fill no block are left out.
    """
    step = -(-max(pixels.shape) // side)
    rows, columns = (max(length // step, 1) for length in pixels.shape)
    pixels = pixels[: rows * step, : columns * step]
    tall, wide = pixels.shape[0] // rows, pixels.shape[1] // columns
    blocks = pixels.reshape(rows, tall, columns, wide)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
