"""Pictures of one byte for each pixel, with a palette, as PNG files of the same bytes each time."""

import struct
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from jwmirror.compare.pictures.rendering.stretches import Stretch

SEQUENTIAL, DIVERGING = "inferno", "RdBu_r"  # perceptually uniform; symmetric about white
LEVELS = 103  # colours of each of the two maps; odd, so that zero is white
GREYS = 40  # from paper to ink, for text
NO_DATA, PAPER, INK = (128, 128, 128), 250, 20  # colours of missing pixels, paper and text
NO_DATA_INDEX = 2 * LEVELS
PAPER_INDEX = NO_DATA_INDEX + 1  # and GREYS - 1 further ones up to ink
BAR_HEIGHT, TICK = 14, 5  # pixels
FONT_SIZE, FONT_SHARE = 15, 45  # pixels, at least; that part of the width of a picture
MIN_WIDTH = 270  # pixels of a picture with a bar
GAP, DPI = 8, 100  # pixels; of a figure of matplotlib
TICK_WIDTH = 5  # of the label of a tick, with its margin, in sizes of the font


@cache
def palette() -> np.ndarray:
    """Return the colours of all pictures: two colour maps, missing pixels, paper to ink."""
    from matplotlib import colormaps

    places = np.linspace(0, 1, LEVELS)
    maps = [colormaps[name](places)[:, :3] * 255 for name in (SEQUENTIAL, DIVERGING)]
    greys = np.repeat(np.linspace(PAPER, INK, GREYS)[:, None], 3, axis=1)
    return np.concatenate([*maps, [NO_DATA], greys]).round().astype("u1")


def coloured(pixels: np.ndarray, stretch: Stretch, colours: str) -> np.ndarray:
    """Return the indices of the colours of an image; the first row of a FITS image is the last."""
    missing = ~np.isfinite(pixels)
    places = stretch.positions(np.where(missing, stretch.low, pixels))
    indices = (places * (LEVELS - 1)).round().astype("u1")
    indices += np.uint8(LEVELS if colours == DIVERGING else 0)
    indices[missing] = NO_DATA_INDEX
    return indices[::-1]


def enlarged(indices: np.ndarray, side: int) -> np.ndarray:
    """Return a small picture with each pixel repeated as often as it fits into `side` pixels."""
    factor = max(1, side // max(indices.shape))
    return indices.repeat(factor, axis=0).repeat(factor, axis=1)


def with_bar(indices: np.ndarray, stretch: Stretch, colours: str, unit: str) -> np.ndarray:
    """Return a picture with a colour bar, its ticks and its unit below it."""
    width = max(indices.shape[1], MIN_WIDTH)
    bar = np.linspace(stretch.low, stretch.high, 8 * width)  # values, as dense as the stretch needs
    places = stretch.positions(bar)
    values = np.interp((np.arange(width) + 0.5) / width, places, bar)
    row = coloured(values[None], stretch, colours)
    size = max(FONT_SIZE, width // FONT_SHARE)
    ticks = stretch.ticks(TICK_WIDTH * size / width)
    label = f"{unit} ({stretch.in_words})" if unit else f"({stretch.in_words})"
    text = _tick_labels(ticks, label, width, size)
    for _, position in ticks:
        at = min(round(position * width), width - 1)
        text[:TICK, at] = PAPER_INDEX + GREYS - 1
    parts = (_centred(indices, width), paper(GAP, width), row.repeat(BAR_HEIGHT, axis=0), text)
    return np.concatenate(parts)


def paper(height: int, width: int) -> np.ndarray:
    """Return an empty picture."""
    return np.full((height, width), PAPER_INDEX, "u1")


def _centred(indices: np.ndarray, width: int) -> np.ndarray:
    left = (width - indices.shape[1]) // 2
    right = width - indices.shape[1] - left
    return np.pad(indices, ((0, 0), (left, right)), constant_values=PAPER_INDEX)


def _tick_labels(
    ticks: Sequence[tuple[float, float]], unit: str, width: int, size: int
) -> np.ndarray:
    """Return a picture of the values at the ticks of a bar, and the unit below them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = TICK + 3 * size
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    style: dict[str, Any] = {
        "fontsize": size * 72 / DPI,
        "fontfamily": "DejaVu Sans",
        "va": "top",
        "color": "black",
        "parse_math": False,
    }
    for value, position in ticks:
        aligned = "left" if position < 0.06 else "right" if position > 0.94 else "center"
        value_text = f"{value:g}".replace("-", "\u2212")
        figure.text(position, 1 - (TICK + 1) / height, value_text, ha=aligned, **style)
    figure.text(0.5, 1 - (TICK + 1.5 * size) / height, unit, ha="center", **style)
    canvas.draw()
    grey = np.asarray(canvas.buffer_rgba())[..., 0]
    return ((255 - grey) / 255.0 * (GREYS - 1)).round().astype("u1") + np.uint8(PAPER_INDEX)


def png(indices: np.ndarray) -> bytes:
    """Return a picture as a PNG file with a palette (PNG specification, 3rd edition)."""
    height, width = indices.shape
    rows = np.zeros((height, width + 1), "u1")  # each begins with the number of its filter, 0
    rows[:, 1:] = indices
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette().tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
