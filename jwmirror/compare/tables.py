"""Differences between the columns of two tables: FITS extensions or ECSV files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jwmirror.compare.arrays import is_nan, subtract
from jwmirror.compare.reading import parse_errors
from jwmirror.core.fits import VOLATILE, check_yaml
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import (
    EQUAL,
    HEADER,
    VALUES,
    ColumnDifference,
    Comparison,
    TableDifference,
)

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU


@dataclass(frozen=True)
class TableContent:
    """The columns of a table, in order: name -> type and unit as text, and name -> values."""

    rows: int
    types: Mapping[str, str]
    column: Callable[[str], Any]  # values of a column by its name, in an astropy class


def compare_tables(hdu: str, old: TableContent, new: TableContent) -> TableDifference | None:
    """Return how two tables differ; None if columns and values are equal, in whatever order."""
    columns = tuple(_column_differences(old, new))
    if not columns and old.rows == new.rows:
        return None
    return TableDifference(hdu=hdu, old_rows=old.rows, new_rows=new.rows, columns=columns)


def column_order_change(hdu: str, old: TableContent, new: TableContent) -> list[Reason]:
    """Return a reason if the columns that both tables have are in another order."""
    old_order = [name for name in old.types if name in new.types]
    new_order = [name for name in new.types if name in old.types]
    what = f"{hdu} order of columns".strip()
    return [Reason(what, " ".join(old_order), " ".join(new_order))] * (old_order != new_order)


def fits_content(hdu: "BinTableHDU") -> TableContent:
    """Return the content of a FITS table; values are read when they are used.

    Further columns of one name are numbered: "FLUX no. 2".
    """
    types: dict[str, str] = {}
    for number, column in enumerate(hdu.columns, start=1):
        name = column.name if column.name not in types else f"{column.name} no. {number}"
        types[name] = f"{column.format} {column.unit or ''}".strip()
    numbers = {name: number for number, name in enumerate(types)}
    return TableContent(hdu.header["NAXIS2"], types, lambda name: hdu.data.field(numbers[name]))


def compare_ecsv(comparison: Comparison, old: Path, new: Path, filename: str) -> Comparison:
    """Add the differences between two ECSV files; StoreError if one cannot be read."""
    old_table, old_meta = read_ecsv(old, filename)
    new_table, new_meta = read_ecsv(new, filename)
    table = compare_tables("", old_table, new_table)
    layout = tuple(column_order_change("", old_table, new_table))
    changes = [
        Reason(key, old_meta.get(key, ""), new_meta.get(key, ""))
        for key in old_meta | new_meta
        if old_meta.get(key) != new_meta.get(key)
    ]
    cards = tuple(change for change in changes if change.what.upper() not in VOLATILE)
    return replace(
        comparison,
        verdict=VALUES if table else HEADER if cards or layout else EQUAL,
        tables=(table,) if table else (),
        cards=cards,
        layout=layout,
        volatile=tuple(change.what.upper() for change in changes if change not in cards),
    )


def read_ecsv(path: Path, filename: str) -> tuple[TableContent, dict[str, str]]:
    """Return the content of an ECSV file, mixin columns (coordinates) split, and meta as text."""
    from astropy.io import ascii
    from astropy.table.serialize import represent_mixins_as_columns

    with parse_errors(path, filename, "ECSV"):
        check_yaml(_ecsv_header(path))
        table = represent_mixins_as_columns(ascii.read(path, format="ecsv"))
    columns = table.columns.items()
    types = {name: f"{column.dtype} {column.unit or ''}".strip() for name, column in columns}
    meta = {key: str(value) for key, value in table.meta.items() if key != "__serialized_columns__"}
    return TableContent(len(table), types, lambda name: table[name]), meta


def _ecsv_header(path: Path) -> str:
    """Return the YAML in an ECSV file: the comments after the line with its version."""
    with open(path, encoding="utf-8") as file:
        comments = takewhile(lambda line: line.startswith("#"), file)
        return "".join(line[2:] for line in comments if not line.startswith("# %ECSV"))


def _column_differences(old: TableContent, new: TableContent) -> Iterator[ColumnDifference]:
    """Yield each column that differs; values are compared if the tables have as many rows."""
    for name in {**old.types, **new.types}:
        old_type, new_type = old.types.get(name, ""), new.types.get(name, "")
        differing, largest = 0, None
        if old_type and new_type and old.rows == new.rows:
            differing, largest = _compare_values(old.column(name), new.column(name))
        if old_type != new_type or differing:
            yield ColumnDifference(
                name=name,
                old_type=old_type,
                new_type=new_type,
                differing=differing,
                largest=largest,
            )


def _compare_values(old_column: Any, new_column: Any) -> tuple[int, float | None]:
    """Return in how many rows two columns differ, and the largest absolute difference.

    Columns have the shape (rows, ...). Text, and columns without a pair of finite numbers that
    differ, have None as difference.
    """
    (old, old_missing), (new, new_missing) = _values(old_column), _values(new_column)
    if old.dtype == object or new.dtype == object or old.shape != new.shape:
        pairs = zip(old, new, strict=True)
        return sum(not _are_equal(old_cell, new_cell) for old_cell, new_cell in pairs), None
    differs = ((old != new) | (old_missing != new_missing)) & ~(old_missing & new_missing)
    count = int(np.count_nonzero(differs.any(axis=tuple(range(1, differs.ndim)))))
    if not all(values.dtype.kind in "iuf" for values in (old, new)):
        return count, None
    deltas = np.abs(subtract(new[differs], old[differs]))
    deltas = deltas[np.isfinite(deltas)]
    return count, float(deltas.max()) if len(deltas) else None


def _values(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column, and where they are missing: masked, or NaN."""
    values = np.asarray(np.ma.getdata(column))
    return values, np.ma.getmaskarray(column) | is_nan(values)


def _are_equal(old_cell: Any, new_cell: Any) -> bool:
    """Return whether two cells, which may be arrays, are equal; NaN equals NaN."""
    old, new = np.asarray(old_cell), np.asarray(new_cell)
    return old.shape == new.shape and bool(np.all((old == new) | (is_nan(old) & is_nan(new))))
