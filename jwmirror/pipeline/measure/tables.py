"""Quantities of tables: spectra, interferometric observables, catalogues."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jwmirror.pipeline.measure.arrays import flag_bits, neighbour_noise, row_step, statistics_of

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
    """Return the quantities of the spectra or observables of a file; empty if it has none.

    Of many spectra (SAMPLE values and more), every n-th is read.
    """
    tables = [hdu for hdu in hdus if VALUES.get(hdu.name) in _column_names(hdu)]
    rows = sum(_shape(hdu)[0] * _shape(hdu)[1] for hdu in tables)
    if not rows:
        return {"rows": 0.0} if tables else {}
    parts = [_values_and_flags(hdu, row_step((rows,))) for hdu in tables]
    values = np.concatenate([spectra.ravel() for spectra, _ in parts])
    flagged = np.concatenate([flags.ravel() for _, flags in parts])
    usable = np.isfinite(values) & ~flagged
    noises = [neighbour_noise(np.where(flags, np.nan, spectra)) for spectra, flags in parts]
    return {
        "rows": float(rows),
        "nan": float(np.mean(~np.isfinite(values))),
        "do_not_use": float(np.mean(flagged)),
        "usable": float(np.mean(usable)),
        **statistics_of(values[usable], noises),
    }


def _column_names(hdu: Any) -> Sequence[str]:
    return () if hdu.is_image else hdu.columns.names


def _shape(hdu: "BinTableHDU") -> tuple[int, int]:
    """Return the number of spectra in a table and their length: a column of numbers is one."""
    column = hdu.columns[VALUES[hdu.name]]
    length = math.prod(np.dtype(column.dtype).shape)
    return (len(hdu.data), length) if np.dtype(column.dtype).shape else (1, len(hdu.data))


def _values_and_flags(hdu: "BinTableHDU", step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of every `step`-th spectrum of a table, and which are DO_NOT_USE."""
    count, length = _shape(hdu)
    chosen = slice(None, None, min(step, count))

    def spectra(column: str) -> np.ndarray:
        return np.asarray(hdu.data[column]).reshape(count, length)[chosen]

    values = spectra(VALUES[hdu.name]).astype("f8")
    if "DQ" not in hdu.columns.names:
        return values, np.zeros(values.shape, bool)
    return values, (spectra("DQ").astype("u8") & flag_bits("DO_NOT_USE")) != 0


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
