"""`jwmirror params`: list the parameters that a recipe may set."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.params import groups_page, pipelines_page
from jwmirror.services.configure.params import parameter_groups


@app.command("params")
def params_command(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="PIPELINE, PIPELINE.STEP or PIPELINE.STEP.PARAMETER."),
    ] = "",
    as_json: options.Json = False,
) -> None:
    """List parameters of the installed jwst: type, default, allowed values and description."""
    page_of = groups_page if name else pipelines_page
    output.show({"groups": parameter_groups(name)}, lambda shown: page_of(shown["groups"]), as_json)
