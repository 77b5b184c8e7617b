"""What could not be read in MAST's tables about one program: one line for each column."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jwmirror.archive.tables.cells import KINDS, TEXT
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Doubt
from jwmirror.report.formatting import count

MOST_SHOWN = 3  # values of a column in a message
MOST_CHARACTERS = 60  # of a value in a message
MOST_COLUMNS = 40  # in a message
MOST_DOUBTS = 20  # rows that may be doubted one by one; with more, the table counts as bad
CONSEQUENCES = {  # of a column that is missing
    "checksum": "changes of these files are harder to see",
    "isRestricted": "files that are not released for certain count as withheld",
    "dataRights": "files that are not released for certain count as withheld",
    "isStale": "no file counts as queued for reprocessing",
}
UNKNOWN = "its values count as unknown"
REPORT = "if this remains, report it to jwmirror"
NAMELESS = f"without a file name; {REPORT}"  # rows that are left out
OLDER = "of files with a newer row"


@dataclass
class OddColumn:
    """Cells of one column that were not understood."""

    first: str  # file of the first one
    cells: int = 0
    values: dict[str, None] = field(default_factory=dict)  # some of them, as people see them

    def add(self, cell: object) -> None:
        """Count one more cell."""
        self.cells += 1
        if len(self.values) < MOST_SHOWN:
            self.values[f"{cell!r:.{MOST_CHARACTERS}}"] = None


@dataclass
class UnreadCells:
    """Cells, columns and rows of one program's tables that could not be read.

    `doubts` are the files and observations that unreadable rows describe.
    """

    program: int
    doubts: list[Doubt] = field(default_factory=list)
    observations: dict[str, str] = field(default_factory=dict)  # obsid -> o001
    _columns: dict[tuple[str, str], OddColumn] = field(default_factory=dict)
    _missing: dict[tuple[str, str], str] = field(default_factory=dict)  # -> the columns there are
    _rows: dict[tuple[str, str], int] = field(default_factory=dict)  # table, why they are left out
    _empty: dict[str, int] = field(default_factory=dict)  # table -> FITS files

    def add_cell(self, table: str, column: str, cell: object, filename: str) -> None:
        """Record a cell that was not understood; counted as empty."""
        self._columns.setdefault((table, column), OddColumn(filename)).add(cell)

    def add_missing(self, table: str, columns: Iterable[str], known: Iterable[str]) -> None:
        """Record columns that a table has not."""
        names = sorted(known)
        words = f"only {', '.join(names)}"
        if len(names) > MOST_COLUMNS:
            words = f"{len(names)} others"
        self._missing |= {(table, column): words for column in columns}

    def add_rows(self, table: str, rows: int, why: str) -> None:
        """Record rows that were left out, and why."""
        self._rows[table, why] = self._rows.get((table, why), 0) + rows

    def add_empty(self, table: str, files: int) -> None:
        """Record that a table has no rows of the program, which has this many FITS files."""
        self._empty[table] = files

    def add_doubt(self, table: str, why: str, observation: str = "", filename: str = "") -> None:
        """Doubt a file, an observation or all of the program, because of an unreadable row.

        Raises:
            ArchiveError: the table has too many such rows.
        """
        doubt = Doubt(
            program=self.program,
            why=f"a row of MAST's table {table}: {why}; its files were not changed; run again "
            "later, and if this remains, report it to jwmirror.",
            observation=observation,
            filename=filename,
        )
        if doubt not in self.doubts:
            self.doubts.append(doubt)
        if len(self.doubts) > MOST_DOUBTS:
            raise bad_table(table, self.program, f"more than {MOST_DOUBTS} rows like this: {why}")

    def remarks(self) -> Iterator[str]:
        """Yield a line for each column, and for each kind of rows that were left out."""
        for (table, column), known in self._missing.items():
            yield (
                f"MAST's table {table}, program {self.program}: expected the column {column}, "
                f"found {known}; {CONSEQUENCES.get(column, UNKNOWN)}; {REPORT}"
            )
        for (table, column), odd in self._columns.items():
            yield (
                f"MAST's table {table}, program {self.program}, column {column}: expected "
                f"{KINDS.get(column, TEXT).expected}, found {', '.join(odd.values)} in "
                f"{count(odd.cells, 'cell')}, first for {odd.first:.200}; counted as empty; "
                f"{REPORT}"
            )
        for (table, why), rows in self._rows.items():
            yield (
                f"MAST's table {table}, program {self.program}: left out {count(rows, 'row')} {why}"
            )
        for table, files in self._empty.items():
            yield (
                f"MAST's table {table}: expected rows of program {self.program}, found none; "
                f"{count(files, 'FITS file')} without checksum: changes are harder to see"
            )


def bad_table(table: str, program: int, found: str) -> ArchiveError:
    """Return the error that a table cannot be used at all."""
    return ArchiveError(
        f"MAST's table {table}, program {program}: expected rows with file names and URIs, found "
        f"{found}; nothing was taken from this table; run again later, and if this remains, "
        "report it to jwmirror."
    )
