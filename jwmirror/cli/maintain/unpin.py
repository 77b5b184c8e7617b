"""`jwmirror unpin`: remove the name of a generation."""

from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
from jwmirror.cli.output import show
from jwmirror.report.terminal.maintenance import unpin_page
from jwmirror.services.maintain.generations import unpin_generation


@app.command("unpin")
def unpin_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to remove.")],
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Remove the name of a generation. The generation stays until it is pruned."""
    pin = unpin_generation(options.find_mirror(mirror, config), name, dry_run)
    show(pin, unpin_page(pin, dry_run), as_json)
