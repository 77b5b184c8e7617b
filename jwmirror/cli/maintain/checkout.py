"""`jwmirror checkout` and `jwmirror as-of`: write a generation into a separate folder."""

from typing import Annotated, Literal

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import checkout_page
from jwmirror.services.maintain.export import check_out_as_of, check_out_generation

Mode = Annotated[
    Literal["symlink", "hardlink", "reflink", "copy"],
    typer.Option("--mode", help="Links to the stored files, or copies of them."),
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
    """Write a generation into a separate folder, as links. The current view does not change."""
    root = options.find_mirror(mirror, config)
    checkout = check_out_generation(root, generation, to, mode, dry_run)
    output.show(checkout, lambda shown: checkout_page(shown, dry_run), as_json)


@app.command("as-of")
def as_of_command(
    date: Annotated[
        str, typer.Argument(metavar="DATE", help="Day (2026-03-01: its end) or time, UTC.")
    ],
    to: options.TargetFolder,
    mode: Mode = "symlink",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Write the generation that was current on DATE into a separate folder; print its number."""
    checkout = check_out_as_of(options.find_mirror(mirror, config), date, to, mode, dry_run)
    output.show(checkout, lambda shown: checkout_page(shown, dry_run), as_json)
