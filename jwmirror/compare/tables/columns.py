"""Differences between the columns of two tables, row by row."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jwmirror.compare.arrays import is_nan, subtract
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import ColumnDifference, TableDifference

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU


@dataclass(frozen=True)
class TableContent:
    """The columns of a table, in order: name -> type and unit as text, and name -> values."""

    rows: int
    types: Mapping[str, str]
    column: Callable[[str], Any]  # values of a column by its name, in an astropy class

    def unit(self, name: str) -> str:
        """Return the unit of a column as text; "" if it has none."""
        return self.types[name].partition(" ")[2]

    def at(self, rows: np.ndarray) -> "TableContent":
        """Return some rows, by their numbers."""
        return replace(self, rows=len(rows), column=lambda name: self.column(name)[rows])


def compare_tables(hdu: str, old: TableContent, new: TableContent) -> TableDifference | None:
    """Return how two tables differ; None if columns and values are equal, in whatever order."""
    columns = tuple(column_differences(old, new))
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


def column_differences(
    old: TableContent, new: TableContent, names: Collection[str] = ()
) -> Iterator[ColumnDifference]:
    """Yield each column that differs; values are compared if the tables have as many rows.

    The values of columns that are `names` of rows are not compared.
    """
    for name in {**old.types, **new.types}:
        old_type, new_type = old.types.get(name, ""), new.types.get(name, "")
        is_compared = old_type and new_type and old.rows == new.rows and name not in names
        values = ColumnDifference(name=name, old_type=old_type, new_type=new_type)
        if is_compared:
            period = _period(name, new.unit(name))
            values = _with_values(values, old.column(name), new.column(name), period)
        if old_type != new_type or values.differing:
            yield values


def _period(name: str, unit: str) -> float | None:
    """Return after how many degrees a column of angles begins again; None for other columns."""
    if unit != "deg":
        return None
    if name.lower().endswith("orientation"):  # of an ellipse
        return 180.0
    return 360.0 if name.lower().rpartition(".")[2] == "ra" else None


def _with_values(
    difference: ColumnDifference, old_column: Any, new_column: Any, period: float | None
) -> ColumnDifference:
    """Add in how many rows two columns differ, and the differences of numbers.

    Columns have the shape (rows, ...). Text, and columns without a pair of finite numbers that
    differ, have no differences.
    """
    (old, old_missing), (new, new_missing) = _values(old_column), _values(new_column)
    if old.dtype == object or new.dtype == object or old.shape != new.shape:
        pairs = zip(old, new, strict=True)
        differing = sum(not _are_equal(old_cell, new_cell) for old_cell, new_cell in pairs)
        return replace(difference, differing=differing)
    differs = ((old != new) | (old_missing != new_missing)) & ~(old_missing & new_missing)
    differing = int(np.count_nonzero(differs.any(axis=tuple(range(1, differs.ndim)))))
    difference = replace(difference, differing=differing)
    if not all(values.dtype.kind in "iuf" for values in (old, new)):
        return difference
    return _with_deltas(difference, subtract(new[differs], old[differs]), period)


def _with_deltas(
    difference: ColumnDifference, deltas: np.ndarray, period: float | None
) -> ColumnDifference:
    """Add the median and the largest of differences of numbers."""
    deltas = deltas[np.isfinite(deltas)]
    if period is not None:
        deltas = (deltas + period / 2) % period - period / 2
    if not len(deltas):
        return difference
    largest = float(deltas[np.argmax(np.abs(deltas))])
    return replace(difference, median=float(np.median(deltas)), largest=largest)


def _values(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column, and where they are missing: masked, or NaN."""
    values = np.asarray(np.ma.getdata(column))
    return values, np.ma.getmaskarray(column) | is_nan(values)


def _are_equal(old_cell: Any, new_cell: Any) -> bool:
    """Return whether two cells, which may be arrays, are equal; NaN equals NaN."""
    old, new = np.asarray(old_cell), np.asarray(new_cell)
    return old.shape == new.shape and bool(np.all((old == new) | (is_nan(old) & is_nan(new))))
