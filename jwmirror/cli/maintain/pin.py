"""`jwmirror pin` and `jwmirror unpin`: give a generation a name, or remove the name."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import pin_page, unpin_page
from jwmirror.services.maintain.generations import pin_generation, unpin_generation


@app.command("pin")
def pin_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to give.")],
    generation: options.GenerationName = "current",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Give a generation a name. `jwmirror prune` never removes a generation that has a name."""
    pin = pin_generation(options.find_mirror(mirror, config), name, generation, dry_run)
    output.show(pin, lambda shown: pin_page(shown, dry_run), as_json)


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
    output.show(pin, lambda shown: unpin_page(shown, dry_run), as_json)
