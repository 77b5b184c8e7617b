"""`jwmirror diff`: compare two generations or recipes, or one file in them."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.diff.files import files_page
from jwmirror.report.terminal.diff.states import state_page
from jwmirror.services.inspect.diff import diff_file, diff_states, parent_side
from jwmirror.services.inspect.former_version import diff_with_former, is_file_name

SIDE = (
    "Number of a generation, name of a pin, or `current`. To compare only files of a recipe or of "
    "MAST, write `42:deep` or `42:upstream`. `:deep` means `current:deep`."
)


@app.command("diff")
def diff_command(
    old: Annotated[str, typer.Argument(metavar="[A]", help=SIDE)] = "current",
    new: Annotated[
        str, typer.Argument(metavar="[B]", help="The other side, in the same form.")
    ] = "",
    file: Annotated[str | None, options.FILE] = None,
    recipe: Annotated[
        str, typer.Option(help="Compare only files of this recipe (`upstream`: files from MAST).")
    ] = "",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    all_lines: options.AllLines = False,
    verbose: options.Verbose = False,
    as_json: options.Json = False,
) -> None:
    """List the files that differ between two generations or recipes, and why.

    Without B, compare A with the generation before it. Without both, show what the current
    generation changed. With FILE, compare its two versions: `diff A B FILE`, or `diff FILE` and
    `diff A FILE` with the generation before. The first line says how much differs, from "identical"
    to "pixels changed" (the seven verdicts: docs/commands.md); of several files, how many differ.
    The next lines list differences in keywords, pixels and tables.
    """
    root = options.find_mirror(mirror, config)
    last = new or old
    if file is None and is_file_name(root, last):
        files = diff_with_former(root, old if new else "current", last, recipe)
        output.show(files, lambda shown: files_page(shown, all_lines, verbose, True), as_json)
        return
    if not new:
        old, new = parent_side(root, old), old
    if file is None:
        states = diff_states(root, old, new, recipe)
        output.show(states, lambda shown: state_page(shown, all_lines, verbose), as_json)
    else:
        files = diff_file(root, old, new, file, recipe)
        output.show(files, lambda shown: files_page(shown, all_lines, verbose), as_json)
