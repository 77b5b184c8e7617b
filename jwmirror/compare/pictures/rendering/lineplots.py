"""Histograms, spectra and light curves as PNG files of the same bytes each time."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

DPI = 100
WIDTH, HISTOGRAM_HEIGHT, CURVE_HEIGHT = 6.4, 3.4, 5.0  # inches
LEFT, RIGHT = 0.16, 0.97  # of the width: margins that a layout engine would need half a second for
BOTTOM, TOP = 0.62, 0.32  # inches
FONT_SIZE = 12  # points
OLD_COLOUR, NEW_COLOUR, FILLED = "#d55e00", "#0072b2", "#7f9fbf"  # distinct for all eyes
BAND = "#cfdcea"  # of errors
PAPER, INK, GRID = "#fafafa", "#141414", "#d0d0d0"
BINS = 81
REACH = 15  # times the range of 99 % of the values: how far outliers are shown
MAX_POINTS = 20_000  # of a curve
PLAIN: dict[str, Any] = {"parse_math": False}  # texts of files are not typeset


@dataclass(frozen=True)
class Curve:
    """Values over wavelength or time, sorted by it, with errors; NaN where there is no value."""

    x: np.ndarray
    y: np.ndarray
    error: np.ndarray  # NaN where it is not known


@contextmanager
def _figure(height: float) -> Iterator[Any]:  # a Figure of matplotlib
    """Yield a figure in matplotlib's own style, whatever the user's is."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings(action="ignore"):
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.size": FONT_SIZE,
                "axes.grid": True,
                "grid.color": GRID,
                "axes.edgecolor": INK,
                "axes.facecolor": PAPER,
                "axes.formatter.useoffset": False,
                "axes.formatter.limits": (-3, 5),
            }
        )
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
        top, bottom = (1 - margin / height for margin in (TOP, height - BOTTOM))
        figure.subplots_adjust(LEFT, bottom, RIGHT, top, hspace=0.12)
        yield figure


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor=PAPER, metadata={"Software": None})
    return file.getvalue()


def histogram(values: np.ndarray, label: str) -> tuple[bytes, str]:
    """Return a histogram of finite values as PNG, and its description in words."""
    low, middle, high = (float(value) for value in np.percentile(values, (0.5, 50, 99.5)))
    limit = max(abs(low), abs(high)) or float(np.abs(values).max()) or 1.0
    outside = float(np.mean(np.abs(values) > limit))
    with _figure(HISTOGRAM_HEIGHT) as figure:
        axes = figure.subplots()
        counts, edges = np.histogram(values, bins=np.linspace(-limit, limit, BINS + 1))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.stairs(counts, edges, baseline=0.5, fill=True, color=FILLED)
        axes.axvline(middle, color=INK, linewidth=1.2)
        axes.set_title(f"line: median {middle:.2g}", loc="right", fontsize=FONT_SIZE)
        axes.set(ylabel="pixels", xlim=(-limit, limit), ylim=(0.8, 1.5 * max(1, counts.max())))
        axes.set_xlabel(label, **PLAIN)
        content = _png(figure)
    alt = f"Histogram of {label} between {-limit:.2g} and {limit:.2g}: median {middle:.2g}"
    return content, f"{alt}; {100 * outside:.2g} % of the pixels are outside" if outside else alt


def overlaid(
    old: Curve,
    new: Curve,
    residual: Curve,
    labels: tuple[str, str],
    axes_labels: tuple[str, str],
) -> bytes:
    """Return two curves in one plot, and new - old below it over the range of the error, as PNG.

    `axes_labels` are those of x and of y.
    """
    x_label, y_label = axes_labels
    start = _start_of(new.x)
    with _figure(CURVE_HEIGHT) as figure:
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
        styles = zip((old, new), labels, (OLD_COLOUR, NEW_COLOUR), (2.2, 1.1), strict=True)
        for curve, label, colour, width in styles:
            thin = _thinned(curve, start)
            style = {"color": colour, "linewidth": width, "label": label}
            above.plot(thin.x, thin.y, **style, **_marks(thin))
        above.set_ylabel(y_label, **PLAIN)
        for text in above.legend(loc="best").get_texts():
            text.set_parse_math(False)
        _focus(above, np.concatenate([old.y, new.y]))
        _draw_residual(below, _thinned(residual, start))
        below.set_xlabel(f"{x_label} \u2212 {start:.0f}" if start else x_label, **PLAIN)
        return _png(figure)


def _start_of(x: np.ndarray) -> float:
    """Return what is subtracted from x, so that its ticks are short: days of dates; 0 of others."""
    low, high = (float(np.min(x)), float(np.max(x))) if len(x) else (0.0, 0.0)
    return float(np.floor(low)) if low > 1000 * (high - low) > 0 else 0.0


def _draw_residual(axes: Any, residual: Curve) -> None:
    if np.isfinite(residual.error).any():
        axes.fill_between(residual.x, -residual.error, residual.error, color=BAND, linewidth=0)
    axes.plot(residual.x, residual.y, color=NEW_COLOUR, linewidth=1.0, **_marks(residual))
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel("difference", fontsize=FONT_SIZE - 1)
    _focus(axes, np.concatenate([residual.y, [0.0]]))


def _marks(curve: Curve) -> dict[str, Any]:
    """Return the style of points: marked if there are few, so that single ones can be seen."""
    return {"marker": ".", "markersize": 5} if len(curve.x) <= 60 else {}


def _thinned(curve: Curve, start: float) -> Curve:
    """Return a curve of at most about MAX_POINTS points, every n-th, with x less `start`."""
    every = slice(None, None, max(1, -(-len(curve.x) // MAX_POINTS)))
    return Curve(curve.x[every] - start, curve.y[every], curve.error[every])


def _focus(axes: Any, values: np.ndarray) -> None:
    """Show the whole range of values, but for outliers that are far beyond the others."""
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = np.percentile(values, (0.5, 99.5))
    reach = REACH * (high - low) or np.inf
    low, high = max(values.min(), low - reach), min(values.max(), high + reach)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    axes.set_ylim(low - margin, high + margin)
