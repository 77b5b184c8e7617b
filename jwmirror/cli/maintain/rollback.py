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

    The next run brings back what MAST and your config ask for, as a new generation. To keep what
    you went back to, change the config before the next run.
    """
    root = options.find_mirror(mirror, config)
    rollback = roll_back_to(root, generation, options.lock_timeout_s(wait), dry_run)
    output.show(rollback, rollback_page(rollback, dry_run), as_json)
