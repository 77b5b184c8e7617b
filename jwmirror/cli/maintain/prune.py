"""`jwmirror prune`: remove old generations, and the objects that only they use."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import pruning_page
from jwmirror.services.maintain.generations import prune_generations


@app.command("prune")
def prune_command(
    keep_last: Annotated[
        int | None, typer.Option(min=1, help="Keep this many of the newest generations.")
    ] = None,
    keep_days: Annotated[
        float | None, typer.Option(min=0, help="Keep generations younger than this many days.")
    ] = None,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Remove old generations, and the stored files that only they use.

    Never removed: the current generation, and generations with a name (`jwmirror pin`). If the
    current generation no longer contains a file, the last version of that file stays on disk.
    """
    root = options.find_mirror(mirror, config)
    pruning = prune_generations(root, keep_last, keep_days, options.lock_timeout_s(wait), dry_run)
    output.show(pruning, lambda shown: pruning_page(shown, dry_run, all_lines), as_json)
