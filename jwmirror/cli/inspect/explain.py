"""`jwmirror explain`: show how a file was made, or how a recipe would make it."""

from typing import Annotated

import typer
from rich.console import Group

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.explain import explanation_page, outlook_page
from jwmirror.services.inspect.explain import FileExplanation, explain_file


@app.command("explain")
def explain_command(
    file: Annotated[str, options.FILE],
    recipe: Annotated[
        str | None,
        typer.Option(help="Only the file of this recipe (`upstream`: the file from MAST)."),
    ] = None,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    settings: options.Settings = None,
    verbose: options.Verbose = False,
    as_json: options.Json = False,
) -> None:
    """Show where a file comes from: its pedigree at MAST, or its recipe, parameters and inputs.

    If the recipe has not made the file yet, or with --set, show what the next run would do. With
    --mirror but without --config, the source of each value is not shown.
    """
    root, config_file = options.find_mirror(mirror, config), options.find_config(mirror, config)
    options.check_used(config_file, options.MIRROR_ALONE, set=settings)
    explained = explain_file(root, file, recipe, config_file, settings or ())
    output.show(explained, lambda shown: _page(shown, verbose), as_json)


def _page(explained: FileExplanation, verbose: bool) -> Group:
    files = (explanation_page(each, verbose) for each in explained.files)
    return Group(*files, *(outlook_page(each, verbose) for each in explained.outlooks))
