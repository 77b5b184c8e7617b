"""What `jwmirror diff` tells: how two states of a mirror differ, or one file in them."""

from pathlib import Path

from jwmirror.compare.versions import compare
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry
from jwmirror.core.model.comparison import (
    IDENTICAL,
    Comparison,
    Content,
    FileDifference,
    FileDifferences,
    StateDifference,
)
from jwmirror.report.explanation import named, nearest
from jwmirror.services.inspect.causes import Causes
from jwmirror.services.inspect.sides import State
from jwmirror.store.differences import file_changes
from jwmirror.store.objects import Objects


def state_difference(root: Path, old: State, new: State) -> StateDifference:
    """Which files differ between two states, and why."""
    changes = file_changes(old.entries, new.entries, old.side.origin, new.side.origin)
    causes = Causes(root)
    return StateDifference(
        mirror=str(root),
        old=old.side,
        new=new.side,
        files=tuple(causes.told(change) for change in changes),
    )


def file_differences(root: Path, old: State, new: State, file: str) -> FileDifferences:
    """How the files of one name differ; StoreError with suggestions if neither side has one."""
    known = {**old.places, **new.places}
    names = named(file, known)
    if not names:
        near = nearest(file, known)
        hint = f"did you mean {', '.join(near)}?" if near else "see `jwmirror diff` without a file"
        raise StoreError(f"{file}: in neither of the two states; {hint}")
    rows = [(old.row(name), new.row(name)) for name in sorted(names)]
    return FileDifferences(
        mirror=str(root),
        old=old.side,
        new=new.side,
        files=tuple(_file_difference(root, *pair) for pair in rows),
    )


def _file_difference(root: Path, old: Entry | None, new: Entry | None) -> FileDifference:
    if old is None or new is None:
        return FileDifference(old=old, new=new, reasons=(), comparison=None)
    return FileDifference(
        old=old,
        new=new,
        reasons=Causes(root).reasons(old, new),
        comparison=_comparison(root, old, new),
    )


def _comparison(root: Path, old: Entry, new: Entry) -> Comparison:
    """How two objects differ; StoreError if one of them is not what its name says."""
    if old.sha256 == new.sha256:
        content = Content(sha256=old.sha256, size=old.size)
        return Comparison(verdict=IDENTICAL, old=content, new=content)
    paths = [Objects(root).path(each.sha256) for each in (old, new)]
    return compare(*paths, new.filename, sums=(old.sha256, new.sha256))
