"""`jwmirror cite`: what a paper says about the data of a generation."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.answers.citation import citation_page
from jwmirror.services.inspect.answers.citation import cite_generation


@app.command("cite")
def cite_command(
    name: Annotated[
        str,
        typer.Argument(metavar="[GEN]", help="Number of a generation, or name of a pin."),
    ] = "current",
    recipes: Annotated[
        list[str] | None,
        typer.Option("--recipe", metavar="NAME", help="Only this recipe. Repeatable."),
    ] = None,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show how to cite a generation: observations, versions, parameters, methods, BibTeX.

    The list of observations is for MAST's DOI portal. The methods paragraph is LaTeX, and cites the
    entries of the BibTeX that follows.
    """
    root = options.find_mirror(mirror, config)
    citation = cite_generation(root, name, only=recipes or ())
    output.show(citation, lambda shown: citation_page(shown, all_lines), as_json)
