"""`jwmirror freeze`: write a generation as a BagIt bag."""

from enum import StrEnum
from typing import Annotated

import typer

from jwmirror.cli.app import app
from jwmirror.cli.options import (
    CONFIG,
    ConfigFile,
    DryRun,
    GenerationName,
    Json,
    Mirror,
    TargetFolder,
    find_mirror,
)
from jwmirror.cli.output import show
from jwmirror.report.terminal.maintenance import frozen_page
from jwmirror.services.maintain.export import freeze_generation


class BagMode(StrEnum):
    """How a bag gets its files; no symlinks, since a bag must not depend on the mirror."""

    COPY = "copy"
    REFLINK = "reflink"
    HARDLINK = "hardlink"


@app.command("freeze")
def freeze_command(
    generation: GenerationName,
    to: TargetFolder,
    mode: Annotated[
        BagMode, typer.Option("--mode", help="Copies of the objects, or links to them.")
    ] = BagMode.COPY,
    with_exclusive: Annotated[
        bool, typer.Option("--with-exclusive", help="Include exclusive-access files.")
    ] = False,
    config: ConfigFile = None,
    mirror: Mirror = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write a generation as a BagIt bag with its config, provenance, environment and citation.

    Every byte of the bag is checked after writing. `jwmirror prune` never removes the generation.
    """
    root, files = find_mirror(mirror, config), config or CONFIG
    bag = freeze_generation(root, generation, to, mode.value, with_exclusive, files, dry_run)
    show(bag, frozen_page(bag, dry_run), as_json)
