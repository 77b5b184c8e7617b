"""`jwmirror rollback`: make another generation the current one."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import rollback_page
from jwmirror.services.maintain.generations import roll_back_to


@app.command("rollback")
def rollback_command(
    generation: Annotated[
        str, typer.Argument(metavar="GEN", help="Number of a generation, or name of a pin.")
    ],
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Make an earlier (or later) generation the current one. No generation is deleted.

    The next run undoes the rollback: it publishes what MAST has then, and the results of your
    config as it is then. If a mistake in the config is the reason for going back, correct it first.
    """
    root = options.find_mirror(mirror, config)
    rollback = roll_back_to(root, generation, options.lock_timeout_s(wait), dry_run)
    output.show(rollback, lambda shown: rollback_page(shown, dry_run), as_json)
