"""`jwmirror checkout` and `jwmirror as-of`: show a generation in a separate folder."""

from typing import Annotated, Literal

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import checkout_page
from jwmirror.services.maintain.export import check_out_as_of, check_out_generation

Mode = Annotated[
    Literal["symlink", "hardlink", "reflink", "copy"],
    typer.Option("--mode", help="Links to the objects, or copies of them."),
]


@app.command("checkout")
def checkout_command(
    generation: options.GenerationName,
    to: options.TargetFolder,
    mode: Mode = "symlink",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Show a generation in a separate folder. The current view does not change."""
    root = options.find_mirror(mirror, config)
    checkout = check_out_generation(root, generation, to, mode, dry_run)
    output.show(checkout, checkout_page(checkout, dry_run), as_json)


@app.command("as-of")
def as_of_command(
    date: Annotated[
        str, typer.Argument(metavar="DATE", help="ISO 8601 date (its end, UTC) or date and time.")
    ],
    to: options.TargetFolder,
    mode: Mode = "symlink",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Show the generation that was current on DATE in a separate folder, and print its number."""
    checkout = check_out_as_of(options.find_mirror(mirror, config), date, to, mode, dry_run)
    output.show(checkout, checkout_page(checkout, dry_run), as_json)
