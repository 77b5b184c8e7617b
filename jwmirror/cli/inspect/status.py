"""`jwmirror status` and `jwmirror plan`: show a mirror's state, or what the next run does."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.live import ProgressView
from jwmirror.report.terminal.status import plan_page, status_page
from jwmirror.services.inspect.running.watching import follow_run
from jwmirror.services.inspect.status import mirror_status


@app.command("status")
def status_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    by_last_run: Annotated[
        bool, typer.Option("--last-run", help="Show the state after the last run; fast.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the run that goes on until it ends.")
    ] = False,
    settings: options.Settings = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show files, changes at MAST that the last run found, what is out of date, and what failed.

    Results are compared with the config as it is now; MAST and CRDS are not asked. With --last-run,
    or with --mirror alone, they are compared with the config of the last run.
    """
    root = options.find_mirror(mirror, config)
    if watch:
        others = {"json": as_json, "set": settings, "all": all_lines, "last-run": by_last_run}
        options.check_alone("--watch", **others)
        raise typer.Exit(_watch(root))
    config_file = None if by_last_run else options.find_config(mirror, config)
    reason = options.LAST_RUN if by_last_run else options.MIRROR_ALONE
    options.check_used(config_file, reason, set=settings)
    status = mirror_status(root, config_file, settings or ())
    output.show(status, lambda shown: status_page(shown, all_lines), as_json)


def _watch(root: Path) -> int:
    """Follow a run until it ends, and return the exit code."""
    with ProgressView() as view:
        try:
            return follow_run(root, view.draw, view.show)
        except KeyboardInterrupt:
            view.warn("Not watched any more; the run goes on.")
            return 130


@app.command("plan")
def plan_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    settings: options.Settings = None,
    context: Annotated[
        str | None,
        typer.Option(
            help="Another CRDS context to plan with: a name, or the word `latest` or `build`."
        ),
    ] = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show what the next run would recalibrate, and why.

    Only files that are already in the mirror are considered: MAST is not asked. CRDS is asked only
    with --context. With --mirror but without --config, the config of the last run is used.
    """
    root, config_file = options.find_mirror(mirror, config), options.find_config(mirror, config)
    options.check_used(config_file, options.MIRROR_ALONE, set=settings, context=context)
    status = mirror_status(root, config_file, settings or (), context)
    output.show(status, lambda shown: plan_page(shown, all_lines, context is not None), as_json)
