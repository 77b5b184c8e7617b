"""`jwmirror notify`: send the summary of the last run again."""

import typer

from jwmirror.cli import app, options, output
from jwmirror.core.model.history.run_summary import RunSummary
from jwmirror.services.notify.again import notify_again, summary_of_last_run


@app.command("notify")
def notify_command(
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Send the summary of the last run to the commands of `notify` in the config, to try them.

    All of them get it, also those that leave out unchanged runs. With --dry-run, or without
    commands, the summary is only shown: its text, or with --json what a command gets. Exit code 1
    if a command failed.
    """
    path = config or options.CONFIG
    if dry_run:
        _show(summary_of_last_run(path, settings or ()), as_json)
        return
    sent, failures = notify_again(path, settings or ())
    _show(sent, as_json)
    output.say(*failures)
    if failures:
        raise typer.Exit(1)


def _show(summary: RunSummary, as_json: bool) -> None:
    if as_json:
        output.print_json(summary)
    else:
        output.say(*summary.text.splitlines())
