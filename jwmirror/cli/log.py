"""`jwmirror log`: the generations, or the versions of one file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, Json, Mirror, app, mirror_of, tell, told
from jwmirror.core.errors import StoreError
from jwmirror.core.model.maintenance import FileHistory
from jwmirror.report.explanation import matching_paths, similar_names
from jwmirror.report.status import build_history
from jwmirror.report.terminal import status as pages
from jwmirror.report.terminal.maintenance import file_history_page
from jwmirror.services.inspect.diff import Causes
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.history import file_history
from jwmirror.store.pins import pinned


@app.command()
def log(
    file: Annotated[str | None, typer.Argument(help="A file, by name or path.")] = None,
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """The generations, newest first, and what changed; or the versions of FILE, and why it changed.

    Generations that were pruned are told among the others.
    """
    with told():
        root = mirror_of(mirror, config)
        generations = Generations(root)
        if file is None:
            current, known = generations.current(), generations.all()
            pruned = [each.number for each in known if each.is_pruned]
            found = build_history(str(root), current, known, pruned, pinned(root))
            page = pages.log_page(found)
        else:
            found = _file_history(root, file)
            page = file_history_page(found)
    tell(found, page, as_json)


def _file_history(root: Path, file: str) -> FileHistory:
    """The versions of the files that a name means, each with why it is not as the one before."""
    found = file_history(root, lambda paths: matching_paths(file, paths))
    if not found.versions and not found.kept:
        near = similar_names(file, Generations(root).entries().column("path"))
        hint = f"did you mean {', '.join(near)}?" if near else "see `jwmirror status` for what is"
        raise StoreError(f"{file}: in no generation of {root} that can be had; {hint}")
    causes, before, versions = Causes(root), None, []
    for each in found.versions:
        if before and before.path == each.path and before.sha256 != each.sha256:
            each = replace(each, reasons=causes.reasons(before.entry, each.entry))
        versions.append(each)
        before = each
    return replace(found, versions=tuple(versions))
