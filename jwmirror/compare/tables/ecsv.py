"""ECSV files: catalogues of sources, and light curves."""

from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from jwmirror.compare.reading import parse_errors
from jwmirror.compare.tables.columns import TableContent, column_order_change, compare_tables
from jwmirror.compare.tables.sources import compare_sources, pair_sources
from jwmirror.core.fits import VOLATILE, check_yaml
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import EQUAL, HEADER, VALUES, Comparison, TableDifference


def compare_ecsv(comparison: Comparison, old: Path, new: Path, filename: str) -> Comparison:
    """Add the differences between two ECSV files; StoreError if one cannot be read."""
    old_table, old_meta = read_ecsv(old, filename)
    new_table, new_meta = read_ecsv(new, filename)
    pairing = pair_sources(old_table, new_table)
    table = (
        compare_tables("", old_table, new_table)
        if pairing is None
        else compare_sources(old_table, new_table, pairing)
    )
    layout = tuple(column_order_change("", old_table, new_table))
    changes = [
        Reason(key, old_meta.get(key, ""), new_meta.get(key, ""))
        for key in old_meta | new_meta
        if old_meta.get(key) != new_meta.get(key)
    ]
    cards = tuple(change for change in changes if change.what.upper() not in VOLATILE)
    return replace(
        comparison,
        verdict=_verdict(table, bool(cards or layout)),
        tables=(table,) if table else (),
        cards=cards,
        layout=layout,
        volatile=tuple(change.what.upper() for change in changes if change not in cards),
    )


def _verdict(table: TableDifference | None, has_other: bool) -> str:
    """Return the most serious kind of difference; labels and order of sources count as header."""
    if table and not table.has_equal_values:
        return VALUES
    return HEADER if table or has_other else EQUAL


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
