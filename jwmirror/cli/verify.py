"""`jwmirror verify`: whether a mirror is whole, and mending it."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import (
    CONFIG,
    All,
    AskedConfig,
    DryRun,
    Json,
    Mirror,
    Wait,
    app,
    mirror_of,
    patience,
    tell,
    told,
)
from jwmirror.core.model.maintenance import Repairs, Verification
from jwmirror.report.terminal import maintenance as pages
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.repair import planned, repair
from jwmirror.store.maintenance.verify import verify as look_at


@app.command()
def verify(
    config: AskedConfig = None,
    mirror: Mirror = None,
    full: Annotated[bool, typer.Option("--full", help="Hash every object, on all cores.")] = False,
    mend: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; MAST is asked.")
    ] = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """Check that the mirror is whole: exit code 1 if anything is, and stays, not as it must be.

    With --repair, objects are fetched from MAST again where it has them unchanged; results give
    way, so that the next run makes them again; views and pointers are rebuilt.
    """
    with told():
        root = mirror_of(mirror, config or CONFIG)
        if not mend:
            found: Verification | Repairs = look_at(root, full)
            if not found.generations and not found.problems:
                Generations(root).needed_current()  # nothing at all is not "all is right"
            page, is_right = pages.verification_page(found, all_lines), not found.problems
        else:
            found = planned(root, full) if dry_run else _repaired(root, full, wait, config, mirror)
            page = pages.repairs_page(found, dry_run, all_lines)
            is_right = all(each.is_mended for each in found.outcomes)
    tell(found, page, as_json)
    raise typer.Exit(0 if is_right else 1)


def _repaired(
    root: Path, full: bool, wait: bool, config: Path | None, mirror: Path | None
) -> Repairs:
    """Mend a mirror; MAST is asked unless there is just --mirror, and so no config."""
    if config is None and mirror is not None:
        return repair(root, full, wait_s=patience(wait))
    from jwmirror.config.load import load
    from jwmirror.services.maintain.refetch import (
        refetching,  # what only --repair needs, and takes a while
    )

    asked = load(config or CONFIG)
    return repair(root, full, refetching(root, asked), asked.group, patience(wait))
