"""Pictures, statistics and words of two versions of a mosaic, a cube or an exposure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jwmirror.compare.pictures.builder import IN_BOTH, SIGMA, Drawing, are_few
from jwmirror.compare.pictures.pixels import ImageResult, MapSet, PixelTotals
from jwmirror.compare.pictures.records import CHANGE, LargestDifference
from jwmirror.compare.pictures.rendering.lineplots import histogram
from jwmirror.compare.pictures.rendering.palettes import (
    DIVERGING,
    GAP,
    PAPER_INDEX,
    SEQUENTIAL,
    coloured,
    enlarged,
    paper,
    png,
    with_bar,
)
from jwmirror.compare.pictures.rendering.stretches import (
    Stretch,
    difference_stretch,
    image_stretch,
    median_and_scatter,
    ratio_stretch,
)
from jwmirror.compare.sky import sky_position

VALUED = f"pixels {IN_BOTH}"
OFFSET = 3  # scatters of the differences, above which most pixels differ alike


def draw_maps(
    drawing: Drawing, maps: MapSet, unit: str, side: int, what: str = "", prefix: str = ""
) -> None:
    """Draw both versions under one stretch, their difference, and that over the error.

    `what` says which part of the file is shown; small maps are enlarged to about `side` pixels.
    """
    stretch, shown = image_stretch(maps.old, maps.new), f", {what}" if what else ""
    images = zip(("old", "new"), drawing.pair.labels, (maps.old, maps.new), strict=True)
    for name, label, pixels in images:
        alt = f"{drawing.pair.filename}, {label}{shown}: {_range(stretch, unit)}"
        _add_map(
            drawing, f"{prefix}{name}.png", f"{label}{shown}", alt, pixels, stretch, unit, side
        )
    order = " minus ".join(reversed(drawing.pair.labels))
    if maps.difference is not None:
        scale = difference_stretch(maps.difference)
        alt = f"{order}{shown}: {_typical(maps.difference, unit)}"
        file, title = f"{prefix}difference.png", f"difference{shown}"
        _add_map(drawing, file, title, alt, maps.difference, scale, unit, side, DIVERGING)
    if maps.ratio is not None:
        scale = ratio_stretch(maps.ratio)
        alt = f"{order}, over the error{shown}: {_typical(maps.ratio, SIGMA)}"
        file, title = f"{prefix}significance.png", f"difference over error{shown}"
        _add_map(drawing, file, title, alt, maps.ratio, scale, SIGMA, side, DIVERGING)


def _add_map(
    drawing: Drawing,
    file: str,
    title: str,
    alt: str,
    pixels: np.ndarray,
    stretch: Stretch,
    unit: str,
    side: int,
    colours: str = SEQUENTIAL,
) -> None:
    picture = enlarged(coloured(pixels, stretch, colours), side)
    drawing.add(file, title, alt, png(with_bar(picture, stretch, colours, unit)))


def draw_strip(drawing: Drawing, maps: MapSet, unit: str, side: int) -> None:
    """Draw a thumbnail: both versions, and the difference over the error, in one picture."""
    stretch = image_stretch(maps.old, maps.new)
    pictures = [coloured(pixels, stretch, SEQUENTIAL) for pixels in (maps.old, maps.new)]
    titles = [*drawing.pair.labels]
    drawing.note(f"brightness: {_range(stretch, unit)}")
    last = maps.difference if maps.ratio is None else maps.ratio
    if last is not None:
        is_ratio = maps.ratio is not None
        scale = ratio_stretch(last) if is_ratio else difference_stretch(last)
        titles.append("difference over error" if is_ratio else "difference")
        pictures.append(coloured(last, scale, DIVERGING))
        drawing.note(f"{titles[-1]}: {_range(scale, SIGMA if is_ratio else unit)}")
    pictures = [enlarged(picture, side) for picture in pictures]
    alt = f"{drawing.pair.filename}: {', '.join(titles)}"
    drawing.add("thumbnail.png", ", ".join(titles), alt, png(_composed(pictures)))
    drawing.is_thumbnail = True


def is_long(height: int, width: int) -> bool:
    """Return whether an image is a strip."""
    return max(height, width) >= 3 * min(height, width)


def _composed(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return pictures side by side; wide strips below each other."""
    is_wide = all(
        is_long(*picture.shape) and picture.shape[1] > len(picture) for picture in pictures
    )
    axis, across = (0, 1) if is_wide else (1, 0)
    size = max(picture.shape[across] for picture in pictures)
    gap = paper(GAP, size) if is_wide else paper(size, GAP)
    parts: list[np.ndarray] = []
    for picture in pictures:
        missing = size - picture.shape[across]
        margins = ((0, 0), (0, missing)) if is_wide else ((missing, 0), (0, 0))
        parts += [gap] * bool(parts)
        parts.append(np.pad(picture, margins, constant_values=PAPER_INDEX))
    return np.concatenate(parts, axis=axis)


def _range(stretch: Stretch, unit: str) -> str:
    limits = f"{stretch.low:.3g} to {stretch.high:.3g} {unit}".strip()
    return f"{stretch.in_words} from {limits}".replace("-", "\u2212")


def _typical(pixels: np.ndarray, unit: str) -> str:
    """Return how large the values of a map of differences are, in words."""
    sizes = np.abs(pixels[np.isfinite(pixels)])
    if not len(sizes):
        return "nowhere defined"
    return f"half of the area within {np.median(sizes):.2g} {unit}".strip()


def describe(
    drawing: Drawing, result: ImageResult, unit: str, on_sky: Mapping[str, Any] | None = None
) -> None:
    """Add the statistics of two images to the table, and the change in one line.

    `on_sky` are the HDUs of the new file by name, if its images are resampled.
    """
    totals, counts = result.totals, result.totals.counts
    for name, sample in (("background", 0), ("scatter", 1)):
        both = [totals.sample(version) for version in ("old", "new")]
        values = [median_and_scatter(values)[sample] if len(values) else None for values in both]
        drawing.state(name, _both(values), unit)
    if result.maps.difference is None:
        return
    drawing.state_fraction("pixels that differ", counts.changed, counts.pixels, VALUED)
    if counts.old_nan or counts.new_nan:
        numbers = f"{counts.old_nan:,} \u2192 {counts.new_nan:,}"
        where = f"({counts.lost:,} more, {counts.gained:,} fewer)"
        drawing.state("pixels without value", numbers, where)
    if not are_few(totals.sample("delta")):
        drawing.state_percentiles("difference", totals.sample("delta"), unit)
    _state_largest(drawing, totals, unit, on_sky)
    if result.has_errors:
        drawing.state_percentiles("difference over error", totals.sample("ratio"), SIGMA)
    else:
        drawing.note("the files have no errors (ERR) to compare the difference with")
    sizes = totals.sample("ratio" if result.has_errors else "delta")
    _state_offset(drawing, totals.sample("delta"), unit)
    drawing.note(totals.shift.in_words if on_sky is not None else "")
    unit = SIGMA if result.has_errors else unit
    drawing.summarize(VALUED, counts.changed, counts.pixels, sizes, unit)
    if only_one := counts.gained + counts.lost:
        drawing.summary += f"; {only_one:,} have a value in one version only"


def _state_largest(
    drawing: Drawing, totals: PixelTotals, unit: str, on_sky: Mapping[str, Any] | None
) -> None:
    """Add the pixel that differs most, with its place."""
    pixel, values = totals.largest, totals.sample("new")
    if pixel is None or not len(values):
        return
    plane = [f"plane {' '.join(str(number + 1) for number in pixel.plane)}"] if pixel.plane else []
    words = [*plane, f"x {pixel.x + 1}, y {pixel.y + 1} (counted from 1)"]
    if on_sky is not None and (sky := sky_position(on_sky, pixel.x, pixel.y)):
        words.append(f"RA {sky[0]:.6f}, Dec {sky[1]:+.6f} degrees".replace("-", "\u2212"))
    place, median = ", ".join(words), float(np.median(values))
    drawing.largest = LargestDifference(value=pixel.value, unit=unit, place=place, median=median)
    value = f"{pixel.value:+.4g}".replace("-", "\u2212")
    drawing.state("largest difference", value, f"{unit}, at {place}".removeprefix(", "))


def _state_offset(drawing: Drawing, deltas: np.ndarray, unit: str) -> None:
    """Say that most pixels differ by about the same amount, if they do."""
    if np.count_nonzero(deltas) <= len(deltas) / 2:
        return
    offset, scatter = median_and_scatter(deltas)
    if abs(offset) > OFFSET * scatter:
        drawing.moved = f"{offset:+.2g} {unit}".strip().replace("-", "\u2212")
        verb = "moved" if drawing.pair.kind == CHANGE else "differs"
        drawing.note(f"most pixels differ by about {drawing.moved}: the background {verb}")


def _both(values: Sequence[float | None]) -> str:
    return " \u2192 ".join("none" if value is None else f"{value:.4g}" for value in values)


def draw_histogram(drawing: Drawing, result: ImageResult, unit: str) -> None:
    """Draw the histogram of difference over error, or of the difference."""
    name = "ratio" if result.has_errors else "delta"
    values = result.totals.sample(name)
    if not len(values) or not result.totals.counts.changed:
        return
    title = "difference over error" if result.has_errors else "difference"
    content, alt = histogram(values, f"{title} ({SIGMA if result.has_errors else unit})")
    drawing.add("histogram.png", f"histogram of {title}", alt, content)
