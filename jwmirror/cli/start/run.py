"""`jwmirror run`: run the workflow."""

from typing import Annotated

import typer

from jwmirror.cli import app
from jwmirror.report.terminal.live import ProgressView
from jwmirror.services.start.workflow_run import run_workflow


@app.command("run", context_settings={"ignore_unknown_options": True})
def run_command(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENT",
            help="Of Snakemake: -n, --cores 4, --configfile FILE, --profile slurm...",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Ask MAST what changed, download it, recalibrate what is out of date, and publish.

    It runs Snakemake in the current folder, with the config config/config.yaml, and ends with a
    summary. Snakemake's own output is in a log that is named at the end. Ctrl-C ends the run;
    the next one goes on from there.
    """
    with ProgressView() as view:
        code = run_workflow(arguments or (), view.show, view.warn, draw=view.draw)
    raise typer.Exit(code)
