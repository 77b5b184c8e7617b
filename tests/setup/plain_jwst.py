"""Comparison of recalibrated files with those of jwst called without the project."""

from pathlib import Path

import numpy as np
from astropy.io import fits

UNCOMPARED = {"ASDF", "HDRTAB"}  # they have dates


def differing_arrays(ours: Path, plain: Path) -> list[str]:
    """Return the extensions or columns that are in one file alone or differ in a value."""
    mine, theirs = _arrays(ours), _arrays(plain)
    return sorted(
        name
        for name in mine.keys() | theirs.keys()
        if name not in mine or name not in theirs or not _is_equal(mine[name], theirs[name])
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".ecsv":
        rows = path.read_text().splitlines()
        return {"rows": np.array([row for row in rows if not row.startswith("#")])}
    with fits.open(path) as hdus:
        return {
            f"{hdu.name},{hdu.ver}{column}": np.array(values)
            for hdu in hdus
            if hdu.data is not None and hdu.name not in UNCOMPARED
            for column, values in _parts(hdu)
        }


def _parts(hdu: fits.ImageHDU | fits.BinTableHDU) -> list[tuple[str, np.ndarray]]:
    if isinstance(hdu, fits.BinTableHDU):
        return [(f",{name}", hdu.data[name]) for name in hdu.columns.names]
    return [("", hdu.data)]


def _is_equal(mine: np.ndarray, theirs: np.ndarray) -> bool:
    return mine.dtype == theirs.dtype and np.array_equal(
        mine, theirs, equal_nan=mine.dtype.kind in "fc"
    )
