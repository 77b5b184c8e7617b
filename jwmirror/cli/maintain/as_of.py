"""`jwmirror as-of`: show the generation of a past day in a separate folder."""

from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
from jwmirror.cli.maintain.checkout import CheckoutMode, Mode
from jwmirror.cli.output import show
from jwmirror.report.terminal.maintenance import checkout_page
from jwmirror.services.maintain.export import check_out_as_of


@app.command("as-of")
def as_of_command(
    date: Annotated[
        str, typer.Argument(metavar="DATE", help="ISO 8601 date (its end, UTC) or date and time.")
    ],
    to: options.TargetFolder,
    mode: Mode = CheckoutMode.SYMLINK,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Show the generation that was current on DATE in a separate folder, and print its number."""
    checkout = check_out_as_of(options.find_mirror(mirror, config), date, to, mode.value, dry_run)
    show(checkout, checkout_page(checkout, dry_run), as_json)
