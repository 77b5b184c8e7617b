"""Pictures, statistics and words of two versions of light curves (whtlt, phot; ECSV)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jwmirror.compare.pictures.builder import Drawing, unit_of
from jwmirror.compare.pictures.rendering.lineplots import Curve, overlaid
from jwmirror.compare.pictures.spectra import (
    Spectrum,
    SpectrumChange,
    change_of,
    describe_curves,
)
from jwmirror.compare.tables.ecsv import read_ecsv

MOST = 6  # light curves of a file that are drawn
MAX_BYTES = 1 << 26  # of a table
TIMES = ("BJD_TDB", "MJD_UTC", "int_mid_BJD_TDB", "int_mid_MJD_UTC", "MJD", "time")
VALUES = re.compile(r"whitelight_flux\w*|(?:net_)?aperture_sum")


def draw_light_curves(drawing: Drawing, old: Path, new: Path) -> None:
    """Draw the light curves of two files, overlaid, with residuals; describe all."""
    filename = drawing.pair.filename
    before, now = (dict(_light_curves(path, filename)) for path in (old, new))
    changes = [change_of(before[name], now[name]) for name in now if name in before]
    drawing.state("light curves", f"{len(before)} \u2192 {len(now)}", f"{len(changes)} in both")
    if not changes:
        drawing.note("the files have no light curve in common")
        return
    describe_curves(drawing, "points", changes)
    differing = [change for change in changes if np.any(np.nan_to_num(change.residual.y))]
    for number, change in enumerate(differing[:MOST], start=1):
        _draw(drawing, number, change)
    if len(differing) > MOST:
        drawing.note(f"{MOST} of {len(differing)} light curves that differ are shown")
    if any(change.is_interpolated for change in differing):
        drawing.note("times differ: for the residuals, the first version is interpolated")


def _light_curves(path: Path, filename: str) -> Iterator[tuple[str, Spectrum]]:
    """Yield the light curves of an ECSV file by the names of their columns."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"a table of more than {MAX_BYTES >> 20} MB is not drawn")
    table, _ = read_ecsv(path, filename)
    for name in filter(VALUES.fullmatch, table.types):
        time = _time_column(name, table.types)
        error = f"{name}_err"
        values = _numbers(table.column(name))
        errors = (
            _numbers(table.column(error)) if error in table.types else np.full(len(values), np.nan)
        )
        x = _numbers(table.column(time)) if time else np.arange(len(values), dtype="f8")
        units = time or "row", unit_of(table.types[name].partition(" ")[2])
        keep = np.isfinite(x)
        yield name, Spectrum(name, Curve(x[keep], values[keep], errors[keep]), name, units)


def _time_column(name: str, types: Mapping[str, str]) -> str:
    """Return the times of a light curve: those of its detector, if there are several."""
    detectors = [f"_{name.rpartition('_')[2]}", ""]
    return next((t + d for d in detectors for t in TIMES if t + d in types), "")


def _numbers(column: Any) -> np.ndarray:  # a column of astropy, which has no types
    """Return the values of a column, NaN where they are masked; ValueError if it has no numbers."""
    values = np.ma.getdata(column)
    if np.asarray(values).dtype.kind not in "iuf" or np.ndim(values) != 1:
        raise ValueError("a column of a light curve has no numbers")
    return np.where(np.ma.getmaskarray(column), np.nan, np.asarray(values, dtype="f8"))


def _draw(drawing: Drawing, number: int, change: SpectrumChange) -> None:
    time, unit = change.new.units
    axes = (time, f"{change.new.quantity} ({unit})" if unit else change.new.quantity)
    labels = drawing.pair.labels
    content = overlaid(change.old.curve, change.new.curve, change.residual, labels, axes)
    alt = (
        f"light curve {change.new.label} of {' and '.join(labels)}, overlaid, with their difference"
    )
    drawing.add(f"light-curve-{number}.png", change.new.label, alt, content)
