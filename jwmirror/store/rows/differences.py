"""The rows in which two manifests differ. Pure: by columns, without building entries."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, zip_longest

import pyarrow as pa

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.comparison import FileChange
from jwmirror.store.manifest import SCHEMA, Entries

NEW, CHANGED, MARKED, REMOVED = "new", "changed", "marked", "gone"


@dataclass(frozen=True, kw_only=True)
class RowDifferences:
    """The rows in which two manifests differ, in the order of their paths."""

    new: Entries
    gone: Entries
    changed: tuple[Entries, Entries]  # before and after, row by row: other bytes
    marked: tuple[Entries, Entries]  # the same bytes, other columns

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows of each kind."""
        return {
            NEW: len(self.new),
            CHANGED: len(self.changed[0]),
            MARKED: len(self.marked[0]),
            REMOVED: len(self.gone),
        }


def row_differences(
    old: Entries, new: Entries, old_origin: str = "", new_origin: str = ""
) -> RowDifferences:
    """Return the rows in which two states differ; pure. No entry is built.

    With origins ("upstream", or a recipe's name), only their files are compared, by observation and
    file name; then marked files are found within one origin only.
    """
    _import_compute()
    before, after = _rows(old, old_origin), _rows(new, new_origin)
    names = _names(before, old_origin), _names(after, new_origin)
    there = pa.compute.index_in(names[1], value_set=names[0])
    back = pa.compute.index_in(names[0], value_set=names[1])
    both = pa.compute.is_valid(there)
    was, now = before.take(there.filter(both)), after.filter(both)
    same_bytes = _equal(was["sha256"], now["sha256"])
    other_bytes = pa.compute.invert(same_bytes)
    marked = pa.compute.and_(same_bytes, pa.compute.invert(_all_equal(was, now)))
    if old_origin != new_origin:
        marked = pa.compute.and_(marked, False)
    return RowDifferences(
        new=Entries(after.filter(pa.compute.is_null(there))),
        gone=Entries(before.filter(pa.compute.is_null(back))),
        changed=(Entries(was.filter(other_bytes)), Entries(now.filter(other_bytes))),
        marked=(Entries(was.filter(marked)), Entries(now.filter(marked))),
    )


def compare_rows(
    old: Entries, new: Entries, old_origin: str = "", new_origin: str = ""
) -> tuple[FileChange, ...]:
    """Return the files in which two states differ, sorted by kind and path, as `row_differences`.

    Pure.
    """
    rows = row_differences(old, new, old_origin, new_origin)
    nothing = Entries(SCHEMA.empty_table())
    return tuple(
        chain(
            _changes(NEW, nothing, rows.new),
            _changes(CHANGED, *rows.changed),
            _changes(REMOVED, rows.gone, nothing),
            _changes(MARKED, *rows.marked),
        )
    )


def differing_columns(old: Entries, new: Entries) -> dict[str, list[int]]:
    """Return the columns in which rows differ pair by pair, and the places of those rows; pure."""
    _import_compute()
    was, now = old.table.cast(SCHEMA), new.table.cast(SCHEMA)
    places: dict[str, list[int]] = {}
    for name in SCHEMA.names if len(old) else ():
        differs = pa.compute.invert(_equal(was[name], now[name])).to_pylist()
        if any(differs):
            places[name] = [place for place, is_other in enumerate(differs) if is_other]
    return places


def rows_as_of(entries: Entries, recipe: str, name: str) -> Entries:
    """Return the rows of MAST and of one recipe, as if the recipe had another name; pure."""
    _import_compute()
    table = entries.table.cast(SCHEMA)
    rows = table.filter(pa.compute.equal(table["origin"], recipe)).combine_chunks()
    paths = _names(rows, recipe)
    folders, names = (
        pa.array([text], pa.string()).take(pa.array([0] * len(rows), pa.int32()))
        for text in (f"recalibrated/{name}", name)
    )
    columns = {
        **{field.name: rows[field.name] for field in SCHEMA},
        "path": pa.compute.binary_join_element_wise(folders, paths, "/"),
        "origin": names,
    }
    of_mast = table.filter(pa.compute.equal(table["origin"], UPSTREAM))
    return Entries(pa.concat_tables([pa.table(columns, schema=SCHEMA), of_mast]))


def _import_compute() -> None:
    """Import pa.compute, which takes long: commands that compare no manifests start without it."""
    import_module("pyarrow.compute")


def without_origin(path: str) -> str:
    """Return a path of a view below its origin's folder: jw01345/o001/<file>."""
    first, _, rest = path.partition("/")
    return rest if first == UPSTREAM else rest.partition("/")[2]


def _rows(entries: Entries, origin: str) -> pa.Table:
    """Return the rows of one origin; of all if it is empty."""
    table = entries.table.cast(SCHEMA).combine_chunks()
    return table.filter(pa.compute.equal(table["origin"], origin)) if origin else table


def _names(rows: pa.Table, origin: str) -> pa.Array:
    """Return the paths by which rows are matched; with an origin, without its folder."""
    paths = rows["path"].combine_chunks()
    if not origin:
        return paths
    folder = f"{origin}/" if origin == UPSTREAM else f"recalibrated/{origin}/"
    return pa.compute.utf8_slice_codeunits(paths, len(folder))


def _equal(old: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return, row by row, whether two columns are equal; two missing values are."""
    neither = pa.compute.and_(pa.compute.is_null(old), pa.compute.is_null(new))
    return pa.compute.coalesce(pa.compute.equal(old, new), neither)


def _all_equal(old: pa.Table, new: pa.Table) -> pa.ChunkedArray:
    """Return, row by row, whether two tables are equal in all columns."""
    is_equal = _equal(old["path"], new["path"])
    for name in SCHEMA.names:
        is_equal = pa.compute.and_(is_equal, _equal(old[name], new[name]))
    return is_equal


def _changes(kind: str, old: Entries, new: Entries) -> Iterator[FileChange]:
    """Yield the changes of one kind; one of the tables is empty for new and gone files."""
    for before, after in zip_longest(old, new):
        is_known = kind == CHANGED and bool(before.identity)
        same = is_known and before.identity == after.identity
        yield FileChange(kind=kind, old=before, new=after, same_science=same)
