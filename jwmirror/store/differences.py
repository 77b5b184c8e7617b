"""How two generations differ, file by file; by columns, so that large mirrors take a second."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.comparison import FileChange
from jwmirror.store.manifest import SCHEMA, Entries

NEW, CHANGED, MARKED, GONE = "new", "changed", "marked", "gone"


def file_changes(
    old: Entries, new: Entries, old_origin: str = "", new_origin: str = ""
) -> tuple[FileChange, ...]:
    """The files in which two states differ, sorted by kind and path; pure.

    With origins (upstream, or a recipe's name), only files of these: those of one name and
    observation are compared, and marks (same bytes, other facts) are told within one origin only.
    """
    before, after = _rows(old, old_origin), _rows(new, new_origin)
    names = _names(before, old_origin), _names(after, new_origin)
    there = pc.index_in(names[1], value_set=names[0])
    back = pc.index_in(names[0], value_set=names[1])
    both = pc.is_valid(there)
    was, now = before.take(there.filter(both)), after.filter(both)
    same_bytes = _equal(was["sha256"], now["sha256"])
    found = [
        *_changes(NEW, None, after.filter(pc.is_null(there))),
        *_changes(CHANGED, *(each.filter(pc.invert(same_bytes)) for each in (was, now))),
        *_changes(GONE, before.filter(pc.is_null(back)), None),
    ]
    if old_origin == new_origin:
        marked = pc.and_(same_bytes, pc.invert(_all_equal(was, now)))
        found += _changes(MARKED, was.filter(marked), now.filter(marked))
    return tuple(found)


def change_counts(old: Entries, new: Entries) -> dict[str, int]:
    """How many files are new, changed, marked (same bytes, other facts) and gone; pure."""
    before, after = _rows(old, ""), _rows(new, "")
    there = pc.index_in(after["path"], value_set=before["path"])
    both = pc.is_valid(there)
    was, now = before.take(there.filter(both)), after.filter(both)
    changed = len(now) - _count(_equal(was["sha256"], now["sha256"]))
    return {
        NEW: len(after) - len(now),
        CHANGED: changed,
        MARKED: len(now) - changed - _count(_all_equal(was, now)),
        GONE: len(before) - len(was),
    }


def _count(found: pa.ChunkedArray) -> int:
    return pc.sum(found).as_py() or 0


def without_origin(path: str) -> str:
    """A path of a view below its origin's folder: jw01345/o001/<file>."""
    first, _, rest = path.partition("/")
    return rest if first == UPSTREAM else rest.partition("/")[2]


def _rows(entries: Entries, origin: str) -> pa.Table:
    """The rows of one origin, or all."""
    table = entries.table.cast(SCHEMA).combine_chunks()
    return table.filter(pc.equal(table["origin"], origin)) if origin else table


def _names(rows: pa.Table, origin: str) -> pa.Array:
    """What rows are matched by: paths, without the origin's folder where one was asked for."""
    paths = rows["path"].combine_chunks()
    if not origin:
        return paths
    folder = f"{origin}/" if origin == UPSTREAM else f"recalibrated/{origin}/"
    return pc.utf8_slice_codeunits(paths, len(folder))


def _equal(old: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where two columns are equal, or both have no value."""
    neither = pc.and_(pc.is_null(old), pc.is_null(new))
    return pc.or_(pc.fill_null(pc.equal(old, new), False), neither)


def _all_equal(old: pa.Table, new: pa.Table) -> pa.ChunkedArray:
    """Where two tables have the same in all columns."""
    found = _equal(old["path"], new["path"])
    for name in SCHEMA.names:
        found = pc.and_(found, _equal(old[name], new[name]))
    return found


def _changes(kind: str, old: pa.Table | None, new: pa.Table | None) -> Iterator[FileChange]:
    count = len(new if old is None else old)
    was = [None] * count if old is None else Entries(old)
    now = [None] * count if new is None else Entries(new)
    for before, after in zip(was, now, strict=True):
        known = before and after and kind == CHANGED and before.identity
        same = bool(known) and before.identity == after.identity
        yield FileChange(kind=kind, old=before, new=after, same_science=same)
