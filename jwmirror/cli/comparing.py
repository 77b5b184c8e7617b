"""`jwmirror diff`: how two states of a mirror differ, or one file in them."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, All, ConfigFile, Json, Mirror, app, mirror_of, tell, told
from jwmirror.cli.causes import Causes
from jwmirror.cli.sides import State, states_of
from jwmirror.compare.versions import compare
from jwmirror.comparison import (
    IDENTICAL,
    Comparison,
    Content,
    FileDifference,
    FileDifferences,
    StateDifference,
)
from jwmirror.errors import StoreError
from jwmirror.records import Entry
from jwmirror.report import differences as pages
from jwmirror.report.explanations import named, nearest
from jwmirror.store.differences import file_changes, without_origin
from jwmirror.store.objects import Objects

SIDE = "Number of a generation, or `current`; `42:deep` or `:deep` for one recipe, or upstream."


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=SIDE)],
    new: Annotated[str, typer.Argument(metavar="B", help="The other side, likewise.")],
    file: Annotated[str | None, typer.Argument(help="A file, by name or path.")] = None,
    recipe: Annotated[str, typer.Option(help="Only that recipe's files, or `upstream`.")] = "",
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """Which files differ between two generations or recipes, and why; or how one file differs.

    With FILE, it first says: identical, equal science content, header only, or pixels changed.
    """
    with told():
        root = mirror_of(mirror, config)
        states = states_of(root, old, new, recipe)
        if file is None:
            found = _state_difference(root, *states)
            page = pages.state_page(found, all_lines)
        else:
            found = _file_differences(root, *states, file)
            page = pages.files_page(found, all_lines)
    tell(found, page, as_json)


def _state_difference(root: Path, old: State, new: State) -> StateDifference:
    changes = file_changes(old.entries, new.entries, old.side.origin, new.side.origin)
    causes = Causes(root)
    return StateDifference(
        mirror=str(root),
        old=old.side,
        new=new.side,
        files=tuple(causes.told(change) for change in changes),
    )


def _file_differences(root: Path, old: State, new: State, file: str) -> FileDifferences:
    """How the files of one name differ; StoreError with suggestions if neither side has one."""
    known = {**old.places, **new.places}
    below = without_origin(file) if old.side.origin else file
    names = {*named(file, known), *(named(below, known) if below else ())}
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
