"""Pictures, statistics and words of two versions of extracted spectra (x1d, c1d)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jwmirror.compare.arrays import subtract
from jwmirror.compare.pictures.builder import IN_BOTH, SIGMA, Drawing, unit_of
from jwmirror.compare.pictures.rendering.lineplots import Curve, overlaid
from jwmirror.core.printing import printable

MOST = 6  # spectra that are drawn
MAX_VALUES = 1 << 24  # wavelengths of all spectra of a file that are read
TABLES = ("EXTRACT1D", "COMBINE1D")
QUANTITIES = {"FLUX": ("FLUX_ERROR", "ERROR"), "SURF_BRIGHT": ("SB_ERROR",)}  # column: errors
MAX_LABEL = 60  # characters
Key = tuple[object, ...]


@dataclass(frozen=True)
class Spectrum:
    """One spectrum of a file."""

    label: str
    curve: Curve  # over wavelength
    quantity: str  # FLUX or SURF_BRIGHT
    units: tuple[str, str]  # of wavelength and of the quantity


@dataclass(frozen=True)
class SpectrumChange:
    """Two versions of a spectrum, and new - old at the wavelengths of the new one."""

    old: Spectrum
    new: Spectrum
    residual: Curve
    is_interpolated: bool = False  # the old one has other wavelengths

    @property
    def over_error(self) -> np.ndarray:
        """The differences over the error, where it is defined."""
        usable = np.isfinite(self.residual.y) & (self.residual.error > 0)
        return self.residual.y[usable] / self.residual.error[usable]

    @property
    def size(self) -> float:
        """The typical change, in errors; without errors, relative to the brightness."""
        ratios = self.over_error
        if len(ratios):
            return float(np.median(np.abs(ratios)))
        deltas = np.abs(self.residual.y[np.isfinite(self.residual.y)])
        level = np.abs(self.old.curve.y[np.isfinite(self.old.curve.y)])
        if not len(deltas) or not len(level):
            return 0.0
        return float(np.median(deltas) / (np.median(level) or 1.0))


def read_spectra(hdus: Mapping[str, Any]) -> tuple[dict[Key, Spectrum], bool]:
    """Return the spectra of a file, and whether all were read. ValueError if it has no spectra.

    The keys are the same in other versions of the file: source, slit, order, exposure, detector.
    """
    spectra: dict[Key, Spectrum] = {}
    numbers: Counter[Key] = Counter()
    left = MAX_VALUES
    for hdu in hdus.values():
        if hdu.name not in TABLES or getattr(hdu, "columns", None) is None:
            continue
        for key, spectrum in _spectra_of(hdu):
            if (left := left - len(spectrum.curve.x)) < 0:
                return spectra, False
            numbers[key] += 1
            spectra[(*key, numbers[key])] = spectrum
    if not spectra:
        raise ValueError(f"expected a table {' or '.join(TABLES)} with WAVELENGTH and FLUX")
    return spectra, True


def _spectra_of(hdu: Any) -> Iterator[tuple[Key, Spectrum]]:  # Any: a table of astropy
    """Yield the spectra of a table: one, one of each source, or the mean of all integrations."""
    names = hdu.columns.names
    if "WAVELENGTH" not in names or not len(hdu.data):
        return
    waves = _column(hdu, "WAVELENGTH")
    quantity, values, errors = _brightness(hdu, waves.shape)
    units = unit_of(hdu.columns["WAVELENGTH"].unit), unit_of(hdu.columns[quantity].unit)
    if waves.ndim == 1:
        yield _named(hdu, {}, "", _sorted(waves, values, errors), quantity, units)
    elif "SOURCE_ID" in names:
        for row, source in enumerate(_column(hdu, "SOURCE_ID")):
            curve = _sorted(waves[row], values[row], errors[row])
            yield _named(hdu, {"source": int(source)}, "", curve, quantity, units)
    else:
        means, error = _mean_of_rows(values, errors)
        note = f"mean of {len(waves)} integrations" if len(waves) > 1 else ""
        yield _named(hdu, {}, note, _sorted(waves[0], means, error), quantity, units)


def _column(hdu: Any, name: str) -> np.ndarray:  # Any: a table of astropy
    """Return the numbers of a column; ValueError if it has none."""
    values = np.asarray(hdu.data[name])
    if values.dtype.kind not in "iuf" or values.ndim > 2:
        raise ValueError(f"the column {name} has no numbers")
    return values.astype("f8")


def _brightness(hdu: Any, shape: tuple[int, ...]) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name of the first quantity that has values, these, and their errors."""
    found = [name for name in QUANTITIES if name in hdu.columns.names]
    columns = {name: _column(hdu, name) for name in found}
    if not columns or any(values.shape != shape for values in columns.values()):
        raise ValueError("WAVELENGTH and FLUX have different lengths")
    name = next((name for name in found if np.any(np.nan_to_num(columns[name]))), found[0])
    for error_name in QUANTITIES[name]:
        if error_name in hdu.columns.names:
            errors = _column(hdu, error_name)
            if errors.shape == shape:
                return name, columns[name], errors
    return name, columns[name], np.full(shape, np.nan)


def _mean_of_rows(values: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    sums = np.where(finite, values, 0).sum(axis=0)
    squares = np.where(finite, errors**2, 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / count, np.sqrt(squares) / count


def _sorted(waves: np.ndarray, values: np.ndarray, errors: np.ndarray) -> Curve:
    """Return a spectrum sorted by wavelength, without the rows that have none."""
    order = np.argsort(waves, kind="stable")
    order = order[np.isfinite(waves[order])]
    return Curve(waves[order], values[order], errors[order])


def _named(
    hdu: Any,
    found: dict[str, object],
    note: str,
    curve: Curve,
    quantity: str,
    units: tuple[str, str],
) -> tuple[Key, Spectrum]:
    """Return a spectrum and its key, by the cards of its table and what its row says."""
    header = hdu.header
    parts = {
        "source": found.get("source", header.get("SOURCEID")),
        "slit": header.get("SLTNAME"),
        "order": header.get("SPORDER"),
        "integration": header.get("INT_NUM"),
        "detector": header.get("DETECTOR"),
        "exposure": header.get("EXPGRPID"),
    }
    key = (hdu.name, *(str(value) for value in parts.values()))
    words = [f"{part} {value}" for part, value in parts.items() if value not in (None, "")]
    label = printable(", ".join([*words, *([note] if note else [])]))[:MAX_LABEL]
    return key, Spectrum(label, curve, quantity, units)


def change_of(old: Spectrum, new: Spectrum) -> SpectrumChange:
    """Return how a spectrum changed. The old one is interpolated linearly if need be."""
    one, two = old.curve, new.curve
    is_same = len(one.x) == len(two.x) and np.allclose(one.x, two.x, rtol=1e-9, atol=0)
    y, error = (
        (one.y, one.error) if is_same else (_at(one, one.y, two.x), _at(one, one.error, two.x))
    )
    mean_error = np.sqrt((error**2 + two.error**2) / 2)
    return SpectrumChange(old, new, Curve(two.x, subtract(two.y, y), mean_error), not is_same)


def _at(curve: Curve, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    if len(curve.x) < 2:
        return np.full(len(x), np.nan)
    return np.interp(x, curve.x, values, left=np.nan, right=np.nan)


def draw_spectra(
    drawing: Drawing, old_hdus: Mapping[str, Any], new_hdus: Mapping[str, Any], most: int
) -> None:
    """Draw the `most` spectra that changed most, overlaid, with residuals; describe all."""
    (old, has_all_old), (new, has_all_new) = map(read_spectra, (old_hdus, new_hdus))
    if not (has_all_old and has_all_new):
        drawing.note(f"only the first {len(new)} spectra of the file were read")
    changes = [change_of(old[key], new[key]) for key in new if key in old]
    drawing.state("spectra", f"{len(old)} \u2192 {len(new)}", f"{len(changes)} in both")
    if not changes:
        drawing.note(
            "no spectrum of one version has the source, slit and order of one of the other"
        )
        return
    describe_curves(drawing, "wavelengths", changes)
    differing = [each for each in changes if np.any(np.nan_to_num(each.residual.y))]
    ranked = sorted(differing, key=lambda each: -each.size)
    for number, change in enumerate(ranked[:most], start=1):
        _draw(drawing, number, change)
    if len(ranked) > most:
        drawing.note(
            f"{most} of {len(ranked)} spectra that differ are shown: those that changed most"
        )
    if any(change.is_interpolated for change in ranked):
        drawing.note("wavelengths differ: for the residuals, the first version is interpolated")


def describe_curves(drawing: Drawing, what: str, changes: list[SpectrumChange]) -> None:
    """Add the statistics of all changes to the table, and the change in one line."""
    deltas = np.concatenate([change.residual.y for change in changes])
    ratios = np.concatenate([change.over_error for change in changes])
    deltas = deltas[np.isfinite(deltas)]
    count, unit = int(np.count_nonzero(deltas)), changes[0].new.units[1]
    valued = f"{what} {IN_BOTH}"
    drawing.state_fraction(f"{what} that differ", count, len(deltas), valued)
    drawing.state_percentiles("difference", deltas, unit)
    drawing.state_percentiles("difference over error", ratios, SIGMA)
    has_errors = bool(len(ratios))
    sizes, of_sizes = (ratios, SIGMA) if has_errors else (deltas, unit)
    drawing.summarize(valued, count, len(deltas), sizes, of_sizes)


def _draw(drawing: Drawing, number: int, change: SpectrumChange) -> None:
    new = change.new
    wave_unit, unit = new.units
    axes = (f"wavelength ({wave_unit})", f"{new.quantity} ({unit})")
    content = overlaid(change.old.curve, new.curve, change.residual, drawing.pair.labels, axes)
    title = new.label or "spectrum"
    alt = (
        f"{title} of {drawing.pair.filename}: {' and '.join(drawing.pair.labels)} overlaid, with "
        f"their difference; it is {change.size:.2g} {SIGMA} (median)"
    )
    drawing.add(f"spectrum-{number}.png", title, alt, content)
