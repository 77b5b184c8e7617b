"""Manifests: the rows of one generation as a Parquet file, which pandas or DuckDB can read as well.

A row is an Entry. The fields of its Product have columns with the prefix `product_`.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, get_args, get_type_hints, overload

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import structs

from jwmirror.core.errors import StoreError, plain_text
from jwmirror.core.files import are_paths_below, replacing
from jwmirror.core.model import UPSTREAM, Entry, Product

pa.set_memory_pool(pa.system_memory_pool())  # the default one keeps what it has freed

PREFIX = "product_"
AT_ONCE = 20_000  # rows whose values are in memory
DISTINCT = {"path", "sha256", "identity", "product_uri", "product_filename", "product_checksum"}


class Entries(Sequence[Entry]):
    """The rows of a manifest, sorted by path, over an Arrow `table`; entries are built on demand.

    Equal to any sequence of equal entries. If the table has only some columns, `read` returns the
    same rows with all, which it reads once.
    """

    __hash__ = None  # type: ignore[assignment]  # equal to any sequence, so it has no hash

    def __init__(self, table: pa.Table, read: "Callable[[], Entries] | None" = None):
        self.table, self._read = table, read

    @property
    def reader(self) -> "Callable[[], Entries]":
        """A function that returns the rows with all columns, and does not keep a part of them."""
        return self._read or (lambda: self)

    def forget(self) -> None:
        """Free the table if it has only some columns; then only `reader` can be used."""
        if self._read:
            del self.table

    @cached_property
    def by_program(self) -> dict[int, list[int]]:
        """The rows of MAST's files, by program: places in the table."""
        rows: dict[int, list[int]] = defaultdict(list)
        columns = map(self.column, ("origin", "product_program"))
        for row, (origin, program) in enumerate(zip(*columns, strict=True)):
            if origin == UPSTREAM:
                rows[program].append(row)
        return dict(rows)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, index: int | slice) -> Entry | tuple[Entry, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f"entry {index} of {len(self)}")
        return next(_decoded(self.table.slice(row, 1)))

    def __iter__(self) -> Iterator[Entry]:
        return _decoded(self.table)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Entries):
            return bool(self.table.cast(SCHEMA).equals(other.table.cast(SCHEMA)))
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"Entries({len(self)} rows)"

    def column(self, name: str) -> list[Any]:  # of the type that SCHEMA gives the column
        """Return the values of one column, row by row, without building entries."""
        return _values(self.table[name])

    def where(self, name: str, value: object) -> "Entries":
        """Return the rows that have a value in a column."""
        return self.rows([row for row, found in enumerate(self.column(name)) if found == value])

    def results(self) -> "Entries":
        """Return the rows of recalibrated files."""
        origins = enumerate(self.column("origin"))
        return self.rows([row for row, origin in origins if origin != UPSTREAM])

    def rows(self, places: Sequence[int]) -> "Entries":
        """Return some rows, in the given order."""
        if len(places) == len(self) and list(places) == list(range(len(self))):
            return self
        buffers = [None, pa.py_buffer(array("q", places))]  # pa.array would import pandas: 0.3 s
        return Entries(self.table.take(pa.Array.from_buffers(pa.int64(), len(places), buffers)))

    def joined(self, rows: Iterable[Entry]) -> "Entries":
        """Return these rows and others, sorted by path. StoreError as `entries_of`."""
        if not (others := entries_of(rows)):
            return self
        both = pa.concat_tables([self.table.cast(SCHEMA), others.table.cast(SCHEMA)])
        paths = _values(both["path"])
        order = sorted(range(len(paths)), key=paths.__getitem__)
        _check_paths([paths[row] for row in order])
        return Entries(both).rows(order)


def entries_of(rows: Iterable[Entry]) -> Entries:
    """Return the rows sorted by path. StoreError if two share a path, or one leaves the view."""
    if isinstance(rows, Entries):
        return rows
    rows = sorted(rows, key=lambda entry: entry.path)
    if not rows:
        return Entries(SCHEMA.empty_table())  # pa.array would import pandas
    _check_paths([entry.path for entry in rows])
    columns = [_column(rows, name) for name in SCHEMA.names]
    return Entries(pa.table(columns, schema=SCHEMA))


def write_manifest(path: Path, entries: Iterable[Entry]) -> None:
    """Durably write a manifest. The bytes depend on the entries and pyarrow's version only."""
    table = entries_of(entries).table.cast(SCHEMA)
    with replacing(path, mode=0o444) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_statistics=True)


def read_manifest(path: Path) -> Entries:
    """Return the rows of a manifest. StoreError if it is missing or damaged."""
    return Entries(_completed(_table(path, SCHEMA.names), SCHEMA.names))


def read_columns(
    path: Path, names: Sequence[str], read: Callable[[], Entries] | None = None
) -> Entries:
    """Return the rows with these columns only, many times faster; `read` returns all columns.

    A column of products that earlier versions did not write needs `product_uri` beside it.
    StoreError as `read_manifest`.
    """
    return Entries(_completed(_table(path, names), names), read and cache(read))


def _table(path: Path, names: Sequence[str]) -> pa.Table:
    """Return those of the columns that a manifest has. StoreError if it is missing or damaged.

    `pyarrow.parquet.read_table` does the same, but first imports its dataset module and pandas.
    Columns are read one by one, and what is unused then goes back to the system: that takes a third
    of the memory.
    """
    try:
        present = set(pq.read_schema(path).names)
        with pq.ParquetFile(path, read_dictionary=sorted(present.intersection(REPEATED))) as file:
            columns = {
                name: file.read([name], use_threads=False)[name]
                for name in names
                if name in present
            }
            table = pa.table(columns)
    except (OSError, pa.ArrowException) as err:
        raise StoreError(f"manifest {path}: cannot be read ({plain_text(err)}).") from err
    for name in {"path", "sha256"}.intersection(table.column_names):
        _check_values(f"manifest {path}", name, _values(table[name]))
    pa.default_memory_pool().release_unused()
    return table


def _schema() -> pa.Schema:
    """Return a column for each field of Entry and of Product; those of Product are nullable."""
    entry = [
        pa.field(name, KINDS[kind], nullable=False)
        for name, kind in get_type_hints(Entry).items()
        if name != "product"
    ]
    product = [
        pa.field(PREFIX + name, KINDS[next(iter(get_args(kind)), kind)])  # of int | None: int
        for name, kind in get_type_hints(Product).items()
    ]
    return pa.schema(entry + product)


KINDS = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
SCHEMA = _schema()
ENTRY = [name for name in SCHEMA.names if not name.startswith(PREFIX)]
PRODUCT = [name for name in SCHEMA.names if name.startswith(PREFIX)]
DEFAULTS = {each.name: each.default for each in fields(Entry)}
DEFAULTS |= {PREFIX + each.name: each.default for each in structs.fields(Product)}
REPEATED = [  # columns with few distinct values; to read them as dictionaries is 10 times faster
    each.name for each in SCHEMA if each.type == pa.string() and each.name not in DISTINCT
]


def _check_paths(paths: list[str]) -> None:
    """StoreError unless sorted paths are distinct, stay in the view, and none is also a folder."""
    _check_values("a new manifest", "path", paths)
    folders = {path.rpartition("/")[0] for path in paths}
    folders |= {str(above) for folder in folders for above in PurePosixPath(folder).parents}
    for path in paths:
        if path in folders:
            raise StoreError(f"entry {path!r}: other entries need a folder of that name.")
    for one, other in pairwise(paths):
        if one == other:
            raise StoreError(f"entry {one!r}: two rows have this path; a view can show one file.")


def _check_values(source: str, name: str, values: list[str]) -> None:
    """StoreError if a value of a column leads out of the view, or is no name of an object.

    All are checked at once, which is many times faster than one after the other.
    """
    is_valid = are_paths_below if name == "path" else _are_sha256
    if values and not is_valid(values):
        wrong = next(value for value in values if not is_valid([value]))
        expected = "a relative path that stays in the view" if name == "path" else "a sha256"
        raise StoreError(
            f"{source}, column {name}: expected {expected}, found {wrong!r:.200}; nothing was "
            "changed."
        )


def _are_sha256(values: list[str]) -> bool:
    text = "".join(values).encode(errors="replace")
    return {64} == set(map(len, values)) and not text.translate(None, b"0123456789abcdef")


def _column(rows: list[Entry], name: str) -> pa.Array:
    if not name.startswith(PREFIX):
        return pa.array([getattr(row, name) for row in rows], SCHEMA.field(name).type)
    name = name.removeprefix(PREFIX)
    values = [row.product and getattr(row.product, name) for row in rows]
    return pa.array(values, SCHEMA.field(PREFIX + name).type)


def _completed(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Add those of the columns that an older jwmirror did not write, with their defaults."""
    for index, column in enumerate(SCHEMA.field(name) for name in names):
        if column.name not in table.column_names:
            default, is_products = DEFAULTS.get(column.name), column.name.startswith(PREFIX)
            uris = table["product_uri"].to_pylist()
            values = [None if is_products and uri is None else default for uri in uris]
            table = table.add_column(index, column, pa.array(values, column.type))
    return table


def _decoded(table: pa.Table) -> Iterator[Entry]:
    """Yield entries; the values of AT_ONCE rows are in memory at a time."""
    for start in range(0, table.num_rows, AT_ONCE):
        yield from _decoded_part(table.slice(start, AT_ONCE))


def _decoded_part(table: pa.Table) -> Iterator[Entry]:
    """Yield entries. They are filled without __init__, which would double the time."""
    new = object.__new__
    rows = zip(*(_values(table[name]) for name in ENTRY), strict=True)
    products = zip(*(_values(table[name]) for name in PRODUCT), strict=True)
    for row, facts in zip(rows, products, strict=True):
        entry = new(Entry)
        entry.__dict__.update(zip(ENTRY, row, strict=True))
        entry.__dict__["product"] = None if facts[0] is None else Product(*facts)
        yield entry


def _values(column: pa.ChunkedArray) -> list[Any]:  # as in `column`
    """Return a column as Python values; the values of a dictionary column are shared."""
    return [value for chunk in column.chunks for value in _chunk_values(chunk)]


def _chunk_values(chunk: pa.Array) -> list[Any]:  # as in `column`
    if not pa.types.is_dictionary(chunk.type):
        return list(chunk.to_pylist())
    if len(chunk) < len(chunk.dictionary):
        return list(chunk.dictionary_decode().to_pylist())
    values = chunk.dictionary.to_pylist()
    return [None if index is None else values[index] for index in chunk.indices.to_pylist()]
