"""`jwmirror rollback` and `release`: make another generation the current one, and hold it."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import release_page, rollback_page
from jwmirror.services.maintain.generations import release_view, roll_back_to


@app.command("rollback")
def rollback_command(
    generation: options.GenerationName,
    hold: Annotated[
        bool, typer.Option("--hold", help="Runs leave the view so until `jwmirror release`.")
    ] = False,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why the view is held; for other people.")
    ] = "",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Make an earlier (or later) generation the current one. No generation is deleted.

    The next run undoes the rollback: it publishes what MAST has then, and the results of your
    config as it is then. If a mistake in the config is the reason for going back, correct it first.
    With --hold, runs go on to fetch, calibrate and publish generations, and `current/` stays.
    """
    root = options.find_mirror(mirror, config)
    rollback = roll_back_to(root, generation, options.lock_timeout_s(wait), dry_run, hold, reason)
    output.show(rollback, lambda shown: rollback_page(shown, dry_run), as_json)


@app.command("release")
def release_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """End a hold (`rollback --hold`): the next run changes the view again.

    Until then, the view stays as it is.
    """
    root = options.find_mirror(mirror, config)
    release = release_view(root, options.lock_timeout_s(wait), dry_run)
    output.show(release, lambda shown: release_page(shown, dry_run), as_json)
