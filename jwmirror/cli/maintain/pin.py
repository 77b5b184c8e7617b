"""`jwmirror pin`: give a generation a name."""

from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
from jwmirror.cli.output import show
from jwmirror.report.terminal.maintenance import pin_page
from jwmirror.services.maintain.generations import pin_generation


@app.command("pin")
def pin_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to give.")],
    generation: Annotated[str, typer.Argument(metavar="GEN", help=options.GENERATION)] = "current",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Give a generation a name. `jwmirror prune` never removes a generation that has a name."""
    pin = pin_generation(options.find_mirror(mirror, config), name, generation, dry_run)
    show(pin, pin_page(pin, dry_run), as_json)
