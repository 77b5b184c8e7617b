"""How the columns of two tables differ: those of FITS extensions and of ECSV files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jwmirror.core.errors import StoreError
from jwmirror.core.fits import VOLATILE
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import EQUAL, HEADER, VALUES, ColumnDifference, TableDifference


@dataclass(frozen=True)
class TableContent:
    """A table's columns, in order: name -> type and unit as text, and values."""

    rows: int
    types: Mapping[str, str]
    values: Mapping[str, Any]


def compare_tables(hdu: str, old: TableContent, new: TableContent) -> TableDifference | None:
    """How two tables differ; None if columns and values are the same, in whatever order."""
    columns = tuple(_column_changes(old, new))
    if not columns and old.rows == new.rows:
        return None
    return TableDifference(hdu=hdu, old_rows=old.rows, new_rows=new.rows, columns=columns)


def order_change(hdu: str, old: TableContent, new: TableContent) -> list[Reason]:
    """Whether the columns that both tables have stand in another order."""
    was, now = (
        [name for name in one.types if name in other.types]
        for one, other in ((old, new), (new, old))
    )
    what = f"{hdu} order of columns".strip()
    return [Reason(what, " ".join(was), " ".join(now))] if was != now else []


def fits_columns(hdu: Any) -> TableContent:
    """The columns of an HDU of astropy's."""
    types = {each.name: f"{each.format} {each.unit or ''}".strip() for each in hdu.columns}
    return TableContent(hdu.header["NAXIS2"], types, hdu.data if types else {})


def compare_ecsv(old: Path, new: Path, filename: str) -> dict[str, Any]:
    """The verdict, `tables`, `cards`, `layout` and `volatile` of a Comparison of ECSV files."""
    (before, old_meta), (after, new_meta) = (_read_ecsv(each, filename) for each in (old, new))
    table = compare_tables("", before, after)
    layout = order_change("", before, after)
    keys = [*old_meta, *(key for key in new_meta if key not in old_meta)]
    cards = [
        Reason(key, old_meta.get(key, ""), new_meta.get(key, ""))
        for key in keys
        if old_meta.get(key) != new_meta.get(key)
    ]
    science = tuple(each for each in cards if each.what.upper() not in VOLATILE)
    return {
        "verdict": VALUES if table else HEADER if science or layout else EQUAL,
        "tables": (table,) if table else (),
        "cards": science,
        "layout": tuple(layout),
        "volatile": tuple(each.what.upper() for each in cards if each not in science),
    }


def _read_ecsv(path: Path, filename: str) -> tuple[TableContent, dict[str, str]]:
    """The columns of an ECSV file, and its meta as text."""
    from astropy.io import ascii
    from astropy.table.serialize import represent_mixins_as_columns

    try:
        table = represent_mixins_as_columns(ascii.read(path, format="ecsv"))
    except (OSError, ValueError, TypeError, KeyError, ascii.InconsistentTableError) as err:
        raise StoreError(
            f"{filename}: {path} cannot be read as ECSV ({err}); nothing was compared; "
            "`jwmirror verify --full` tells whether it was damaged since it came."
        ) from err
    types = {
        name: f"{table[name].dtype} {table[name].unit or ''}".strip() for name in table.colnames
    }
    meta = {key: str(value) for key, value in table.meta.items() if key != "__serialized_columns__"}
    return TableContent(len(table), types, table), meta


def _column_changes(old: TableContent, new: TableContent) -> Iterator[ColumnDifference]:
    for name in [*old.types, *(name for name in new.types if name not in old.types)]:
        before, after = old.types.get(name, ""), new.types.get(name, "")
        differing, largest = 0, None
        if before and after and old.rows == new.rows:
            differing, largest = _values_differ(old.values[name], new.values[name])
        if before != after or differing:
            yield ColumnDifference(
                name=name,
                old_type=before,
                new_type=after,
                differing=differing,
                largest=largest,
            )


def _values_differ(old: Any, new: Any) -> tuple[int, float | None]:
    """In how many rows two columns differ, and the largest absolute difference of numbers."""
    (old, old_lacks), (new, new_lacks) = _plain(old), _plain(new)
    if old.dtype == object or new.dtype == object or old.shape != new.shape:
        pairs = zip(old, new, strict=True)
        return sum(not np.array_equal(was, now) for was, now in pairs), None
    both_lack = old_lacks & new_lacks
    differs = ((old != new) | (old_lacks != new_lacks)) & ~both_lack
    rows = differs.reshape(len(old), -1).any(axis=1) if len(old) else differs
    if not all(each.dtype.kind in "iuf" for each in (old, new)):
        return int(np.count_nonzero(rows)), None
    steps = np.abs(new[differs].astype("f8") - old[differs].astype("f8"))
    steps = steps[np.isfinite(steps)]
    return int(np.count_nonzero(rows)), float(steps.max()) if len(steps) else None


def _plain(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """A column's values, and where it has none: masked, or NaN."""
    values = np.asarray(getattr(column, "data", column) if np.ma.isMaskedArray(column) else column)
    lacks = (
        np.ma.getmaskarray(column) if np.ma.isMaskedArray(column) else np.zeros(values.shape, bool)
    )
    return values, lacks | np.isnan(values) if values.dtype.kind == "f" else lacks
