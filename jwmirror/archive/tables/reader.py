"""The reading of one table: rows become records, and odd cells, rows and columns are recorded."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from jwmirror.archive.tables.cells import KINDS, NOT_UNDERSTOOD, TEXT, as_program
from jwmirror.archive.tables.unread import UnreadCells, bad_table
from jwmirror.core import names

T = TypeVar("T")
ALTERNATIVES = {  # columns that MAST may send instead
    "filename": "fileName",
    "fileName": "filename",
    "date_mjd": "date",
    "publicReleaseDate_mjd": "publicReleaseDate",
    "date_obs_mjd": "date_obs",
}
NAME_COLUMNS = ("filename", "fileName", "productFilename", "dataURI", "obs_id")  # in messages

Row = Any  # a struct with a field for each column; its cells are of any JSON type


class MastTable(NamedTuple):
    """Rows of one table, and the columns of its first row."""

    rows: list[Row]
    columns: frozenset[str] = frozenset()

    def lacking(self, columns: Iterable[str]) -> list[str]:
        """Return those of some columns that it has not, under no name."""
        known = self.columns
        return [c for c in columns if c not in known and ALTERNATIVES.get(c) not in known]


@dataclass(frozen=True)
class TableReader:
    """Rows of one table as records; cells that are not understood count as empty."""

    table: str
    unread: UnreadCells

    def check_columns(self, table: MastTable, columns: Iterable[str]) -> None:
        """Record the columns that the table has not."""
        if table.rows and (lacking := table.lacking(columns)):
            self.unread.add_missing(self.table, lacking, table.columns)

    def rows_of_program(self, table: MastTable, column: str, name_column: str) -> list[Row]:
        """Return the rows of the program by a column, or by their names."""
        return [
            row
            for row in table.rows
            if getattr(row, column) == self.unread.program
            or self._is_of_program(row, column, name_column)
        ]

    def _is_of_program(self, row: Row, column: str, name_column: str) -> bool:
        """Return whether a row is of the program by its name, or by the column; so if by neither.

        The query was for rows of this program only.
        """
        cell, name = getattr(row, column), getattr(row, name_column)
        by_name = names.program_of(name) if type(name) is str else None
        number = None
        try:
            number = as_program(cell)
        except NOT_UNDERSTOOD:
            self.unread.add_cell(self.table, column, cell, _name_in(row))
        return self.unread.program in (by_name, number) or by_name is number is None

    def records(
        self, rows: list[Row], read: Callable[[Row], T], leave_out: Callable[[Row], None]
    ) -> list[T]:
        """Return the record that `read` makes of each row.

        Rows that lack a required cell are passed to `leave_out`. ArchiveError if all rows do.
        """
        with suppress(*NOT_UNDERSTOOD):
            return [read(row) for row in rows]
        records: list[T] = []
        for row in rows:
            try:
                records.append(read(self._with_sound_cells(row, read)))
            except NOT_UNDERSTOOD:
                leave_out(row)
        if rows and not records:
            raise bad_table(self.table, self.unread.program, f"none in {len(rows)} rows")
        return records

    def _with_sound_cells(self, row: Row, read: Callable[[Row], object]) -> Row:
        """Return a row, without the cells that are not understood if it cannot be read."""
        with suppress(*NOT_UNDERSTOOD):
            read(row)
            return row
        name = _name_in(row)
        for column in row.__struct_fields__:
            cell = getattr(row, column)
            try:
                KINDS.get(column, TEXT).read(cell)
            except NOT_UNDERSTOOD:
                setattr(row, column, None)
                self.unread.add_cell(self.table, column, cell, name)
        return row


def _name_in(row: Row) -> str:
    """Return a row's file name, for messages."""
    cells = (getattr(row, column, None) for column in NAME_COLUMNS)
    return next((cell for cell in cells if cell and type(cell) is str), "a row without a name")
