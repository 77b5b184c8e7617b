"""`jwmirror plan`: show what the next run would recalibrate, and why."""

from typing import Annotated

import typer

from jwmirror.cli import options
from jwmirror.cli.app import app
from jwmirror.cli.output import show
from jwmirror.report.terminal.status import plan_page
from jwmirror.services.inspect.status import mirror_status


@app.command("plan")
def plan_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    settings: options.Settings = None,
    context: Annotated[
        str | None,
        typer.Option(help="Plan with another CRDS context: its name, `latest` or `build`."),
    ] = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show what the next run would recalibrate, and why.

    Only files that are already in the mirror are considered: MAST is not asked. CRDS is asked only
    with --context.
    """
    root = options.find_mirror(mirror, config)
    status = mirror_status(root, options.find_config(mirror, config), settings or (), context)
    show(status, plan_page(status, all_lines), as_json)
