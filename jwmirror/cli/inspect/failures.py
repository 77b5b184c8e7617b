"""`jwmirror failures`: list what failed in the last run, why, and how to try it again."""

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.failures import failures_page
from jwmirror.services.inspect.failures import list_failures


@app.command("failures")
def failures_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """List what failed in the last run: why, the last lines of its log, and how to try it again.

    On a cluster, each failed job is shown with its node and the id that the scheduler gave it.
    """
    failures = list_failures(options.find_mirror(mirror, config))
    output.show(failures, lambda shown: failures_page(shown, all_lines), as_json)
