"""`jwmirror doctor`: try what a run relies on."""

import logging

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.doctor import diagnosis_page
from jwmirror.services.inspect.doctor.examination import examine


@app.command("doctor")
def doctor_command(config: options.ConfigFile = None, as_json: options.Json = False) -> None:
    """Try what a run relies on: MAST, CRDS, token, keyword tables, downloads, disk.

    Ask MAST and CRDS about the programs of the config, and show what works, what does not, and what
    to do. Exit code 1 if a check fails. Nothing is changed but one record in the mirror. A new or
    empty folder becomes a mirror.
    """
    logging.disable(logging.WARNING)  # the table has what would be logged
    try:
        diagnosis = examine(config or options.CONFIG)
    finally:
        logging.disable(logging.NOTSET)
    output.show(diagnosis, diagnosis_page, as_json)
    raise typer.Exit(1 if diagnosis.has_failed else 0)
