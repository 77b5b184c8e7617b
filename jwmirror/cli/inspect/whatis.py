"""`jwmirror whatis` and `jwmirror outdated`: say what files outside of the mirror are."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.answers.identification import identifications_page, outdated_page
from jwmirror.services.inspect.answers.identification import identify_files
from jwmirror.services.inspect.answers.outdated import outdated_files


@app.command("whatis")
def whatis_command(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Any files.")],
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    verbose: options.Verbose = False,
    as_json: options.Json = False,
) -> None:
    """Say what any files are: which product, version, recipe and generation of the mirror.

    Files are known by their bytes, whatever their names. Of a file with an edited header, and of
    one that is cut, what is certain is shown; all others are unknown.
    """
    found = identify_files(options.find_mirror(mirror, config), files)
    output.show(found, lambda shown: identifications_page(shown, verbose), as_json)


@app.command("outdated")
def outdated_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Any folder.")],
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    all_lines: options.AllLines = False,
    verbose: options.Verbose = False,
    as_json: options.Json = False,
) -> None:
    """List the files of a folder that MAST, or the mirror, has replaced since, and why.

    MAST is not asked: its state is that of the last poll.
    """
    found = outdated_files(options.find_mirror(mirror, config), folder)
    output.show(found, lambda shown: outdated_page(shown, all_lines, verbose), as_json)
