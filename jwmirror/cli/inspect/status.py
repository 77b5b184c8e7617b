"""`jwmirror status`: show what the mirror contains, and what is out of date."""

from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
from jwmirror.cli.output import show
from jwmirror.report.terminal.status import status_page
from jwmirror.services.inspect.status import mirror_status


@app.command("status")
def status_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    by_last_run: Annotated[
        bool, typer.Option("--last-run", help="Show what the last run found; fast.")
    ] = False,
    settings: options.Settings = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show what the mirror contains, what changed at MAST, what is out of date, and what failed.

    Results are compared with the config as it is now; MAST and CRDS are not asked. With --last-run,
    or with --mirror and no --config, the state that the last run left is shown instead.
    """
    root = options.find_mirror(mirror, config)
    config_file = None if by_last_run else options.find_config(mirror, config)
    status = mirror_status(root, config_file, settings or ())
    show(status, status_page(status, all_lines), as_json)
