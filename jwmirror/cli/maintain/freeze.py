"""`jwmirror freeze`: write a generation as a BagIt bag."""

from typing import Annotated, Literal

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import frozen_page
from jwmirror.services.maintain.export import freeze_generation


@app.command("freeze")
def freeze_command(
    generation: options.GenerationName,
    to: options.TargetFolder,
    mode: Annotated[  # no symlinks, since a bag must not depend on the mirror
        Literal["copy", "reflink", "hardlink"],
        typer.Option("--mode", help="Copies of the stored files, or links to them."),
    ] = "copy",
    with_exclusive: Annotated[
        bool, typer.Option("--with-exclusive", help="Include exclusive-access files.")
    ] = False,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Export a generation as a BagIt bag, with config, provenance, versions and citation.

    Config and installed versions are those of the run that published the generation.
    Every byte of the bag is checked after writing. The generation also gets a name, so that
    `prune` keeps it.
    """
    root = options.find_mirror(mirror, config)
    bag = freeze_generation(root, generation, to, mode, with_exclusive, dry_run)
    output.show(bag, lambda shown: frozen_page(shown, dry_run), as_json)
