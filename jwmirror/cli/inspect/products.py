"""`jwmirror products`: say what the kinds of products are, and what the mirror has of them."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.answers.contents import contents_page
from jwmirror.services.inspect.answers.contents import mirror_contents


@app.command("products")
def products_command(
    part: Annotated[
        str,
        typer.Argument(
            metavar="[PART]",
            help="A program (1345), an observation or candidate (1345/o001), or a file name.",
        ),
    ] = "",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show the kinds of products, and what the mirror has of each, from MAST and of each recipe.

    With PART, show how files belong together: exposures under the associations of stage 3 that
    combine them, and these under their targets.
    """
    contents = mirror_contents(options.find_mirror(mirror, config), part)
    output.show(contents, lambda shown: contents_page(shown, all_lines), as_json)
