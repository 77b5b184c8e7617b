"""Quantities of tables: spectra, interferometric observables, catalogues."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jwmirror.pipeline.measure.arrays import SAMPLE, flag_bits, neighbour_noise, statistics_of

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU, HDUList

VALUES = {  # table: column that it is made for
    "EXTRACT1D": "FLUX",
    "COMBINE1D": "FLUX",
    "OI_VIS2": "VIS2DATA",
    "WHITELIGHT": "whitelight_flux",
}
MEMBERS = "HDRTAB"  # one row for each member of a combined product


def table_quantities(hdus: "HDUList") -> dict[str, float | None]:
    """Return the quantities of the spectra or observables of a file; empty if it has none."""
    parts = list(_values_and_flags(hdus))
    if not parts:
        return {}
    values = np.concatenate([rows.ravel() for rows, _ in parts])
    if not len(values):
        return {"rows": 0.0}
    flagged = np.concatenate([flags.ravel() for _, flags in parts])
    noises = [neighbour_noise(np.where(flags, np.nan, rows)) for rows, flags in parts]
    return {
        "rows": float(len(values)),
        "nan": float(np.mean(~np.isfinite(values))),
        "do_not_use": float(np.mean(flagged)),
        "usable": float(np.mean(np.isfinite(values) & ~flagged)),
        **statistics_of(values[np.isfinite(values) & ~flagged], noises),
    }


def _values_and_flags(hdus: "HDUList") -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the values of each spectrum, a row of a matrix, and which of them are DO_NOT_USE."""
    left = SAMPLE
    for hdu in hdus:
        column = VALUES.get(hdu.name)
        if column is None or left <= 0 or column.upper() not in map(str.upper, hdu.columns.names):
            continue
        values = _matrix(hdu, column)
        left -= values.size
        flagged = np.zeros(values.shape, bool)
        if "DQ" in hdu.columns.names:
            flags = _matrix(hdu, "DQ").astype("u8")
            flagged = (flags & flag_bits("DO_NOT_USE")) != 0
        yield values.astype("f8"), flagged


def _matrix(hdu: "BinTableHDU", column: str) -> np.ndarray:
    """Return a column as spectra in rows: a column of numbers is one spectrum."""
    values = np.asarray(hdu.data[column])
    return values[np.newaxis] if values.ndim == 1 else values.reshape(len(values), -1)


def member_quantities(hdus: "HDUList") -> dict[str, float | None]:
    """Return how many members were combined, and how many of the planned dithers are missing.

    HDRTAB repeats the headers of the members (jwst's model_blender): PATT_NUM is the number of a
    position in the pattern of NUMDTHPT positions.
    """
    if MEMBERS not in hdus:
        return {}
    table = hdus[MEMBERS]
    quantities: dict[str, float | None] = {"members": float(len(table.data))}
    if {"PATT_NUM", "NUMDTHPT"} <= set(table.columns.names):
        positions, planned = (_numbers(table.data[name]) for name in ("PATT_NUM", "NUMDTHPT"))
        if positions and len(planned) == 1:
            quantities["missing_members"] = max(0.0, planned.pop() - len(positions))
    return quantities


def _numbers(column: np.ndarray) -> set[float]:
    """Return the different positive numbers in a column, which may have text for missing ones."""
    numbers = set()
    for value in np.unique(np.asarray(column).astype(str)):
        try:
            number = float(value)
        except ValueError:
            continue
        if math.isfinite(number) and number > 0:
            numbers.add(number)
    return numbers


def ecsv_quantities(path: Path) -> dict[str, float | None]:
    """Return the number of rows of an ECSV table; of a catalogue these are its sources."""
    with open(path, encoding="utf-8") as file:
        lines = sum(1 for line in file if line.strip() and not line.startswith("#"))
    return {"rows": float(max(0, lines - 1))}  # the first line names the columns
