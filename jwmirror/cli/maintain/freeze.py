"""`jwmirror freeze`: write a generation as a BagIt bag."""

from enum import StrEnum
from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
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
    generation: options.GenerationName,
    to: options.TargetFolder,
    mode: Annotated[
        BagMode, typer.Option("--mode", help="Copies of the objects, or links to them.")
    ] = BagMode.COPY,
    with_exclusive: Annotated[
        bool, typer.Option("--with-exclusive", help="Include exclusive-access files.")
    ] = False,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Write a generation as a BagIt bag with its config, provenance, environment and citation.

    Every byte of the bag is checked after writing. `jwmirror prune` never removes the generation.
    """
    root, config_file = options.find_mirror(mirror, config), config or options.CONFIG
    bag = freeze_generation(root, generation, to, mode.value, with_exclusive, config_file, dry_run)
    show(bag, frozen_page(bag, dry_run), as_json)
