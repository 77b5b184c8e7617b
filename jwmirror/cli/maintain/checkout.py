"""`jwmirror checkout`: show a generation in a separate folder."""

from enum import StrEnum
from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
from jwmirror.cli.output import show
from jwmirror.report.terminal.maintenance import checkout_page
from jwmirror.services.maintain.export import check_out_generation


class CheckoutMode(StrEnum):
    """How a checkout gets its files."""

    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    REFLINK = "reflink"
    COPY = "copy"


Mode = Annotated[
    CheckoutMode, typer.Option("--mode", help="Links to the objects, or copies of them.")
]


@app.command("checkout")
def checkout_command(
    generation: options.GenerationName,
    to: options.TargetFolder,
    mode: Mode = CheckoutMode.SYMLINK,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Show a generation in a separate folder. The current view does not change."""
    root = options.find_mirror(mirror, config)
    checkout = check_out_generation(root, generation, to, mode.value, dry_run)
    show(checkout, checkout_page(checkout, dry_run), as_json)
