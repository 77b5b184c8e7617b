"""`jwmirror adopt`: import files that you already have."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import adoption_page
from jwmirror.services.maintain.adopt import adopt_folder


@app.command("adopt")
def adopt_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder with files under MAST's names.")
    ],
    config: options.ConfigFile = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Import files that you already have, so that the next run need not download them.

    A file is imported if its size and checksum are those that MAST lists now. Your files are copied
    and never changed.
    """
    adoption = adopt_folder(config or options.CONFIG, folder, options.lock_timeout_s(wait), dry_run)
    output.show(adoption, lambda shown: adoption_page(shown, dry_run, all_lines), as_json)
