"""`jwmirror status` and `plan`: what is held, what changed, what is out of date."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import (
    CONFIG,
    All,
    AskedConfig,
    Json,
    Mirror,
    Settings,
    app,
    mirror_of,
    tell,
    told,
)
from jwmirror.core.model.run import Run
from jwmirror.report.status import Preview, Status, build_status, count_files, generation_record
from jwmirror.report.terminal import status as pages
from jwmirror.store.runs import last_run

Context = Annotated[
    str | None, typer.Option(help="Plan by this CRDS context, or `latest` or `build`, instead.")
]


@app.command()
def status(
    config: AskedConfig = None,
    mirror: Mirror = None,
    by_last_run: Annotated[
        bool, typer.Option("--last-run", help="As the last run found it; at once.")
    ] = False,
    settings: Settings = None,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """What is held, what changed at the last poll, what is out of date and why, what waits.

    Out of date is told by the config as it is now; with just --mirror, as the last run found it.
    """
    with told():
        found = _status(config, mirror, by_last_run, settings or ())
    tell(found, pages.status_page(found, all_lines), as_json)


@app.command()
def plan(
    config: AskedConfig = None,
    mirror: Mirror = None,
    settings: Settings = None,
    context: Context = None,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """What the next run would recalibrate of what is held, and why.

    MAST and CRDS are not asked; with --context, CRDS is, for what that context would change.
    """
    with told():
        found = _status(config, mirror, settings=settings or (), context=context)
    tell(found, pages.plan_page(found, all_lines), as_json)


def _status(
    config: Path | None,
    mirror: Path | None,
    by_last_run: bool = False,
    settings: Sequence[str] = (),
    context: str | None = None,
) -> Status:
    """The state of a mirror: by a config, or by the last run where none is asked for."""
    from jwmirror.store.generations import Generations
    from jwmirror.store.lease import RUN, holder

    root = mirror_of(mirror, config or CONFIG)
    current = Generations(root).current()
    rows = current.entries() if current else ()
    columns = (rows.column(name) for name in ("path", "size", "state")) if current else ()
    held = count_files(zip(*columns, strict=True))
    run = last_run(root)
    by_last_run = by_last_run or (config is None and mirror is not None)
    seen = None
    if run is not None and not by_last_run:
        seen = _preview(root, run, config or CONFIG, settings, context)
    note = holder(root, RUN)
    at_work = f"{note.purpose}, since {note.since}" if note else ""
    return build_status(
        str(root), generation_record(current) if current else None, held, run, seen, at_work
    )


def _preview(
    root: Path, run: Run, config: Path, settings: Sequence[str], context: str | None
) -> Preview:
    from jwmirror.config.load import load
    from jwmirror.services.inspect.advice import advice
    from jwmirror.services.inspect.preview import current_holdings, preview  # imports jwst: seconds
    from jwmirror.services.run.references import preview_references

    asked = load(config, settings)
    programs = [selection.program for selection in asked.selections]
    ahead = None
    if context is not None:
        holdings = current_holdings(root, run, asked.recipes)
        ahead = preview_references(
            asked.references_url, context, asked.cache, holdings, asked.recipes
        )
    found = preview(root, run, asked.recipes, programs, asked.cache, asked.context, ahead)
    return replace(found, notes=(*found.notes, *advice(asked.selections, asked.recipes)))
