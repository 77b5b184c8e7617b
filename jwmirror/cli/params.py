"""`jwmirror params`: what a recipe may set."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group as Page
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jwmirror.cli.app import Json, app, print_json, tell, told

if TYPE_CHECKING:
    from jwmirror.pipeline.parameters.specs import Group, Parameter


@app.command()
def params(
    name: Annotated[
        str, typer.Argument(help="PIPELINE, PIPELINE.STEP, or PIPELINE.STEP.PARAMETER.")
    ] = "",
    as_json: Json = False,
) -> None:
    """The parameters of the installed jwst: type, default, what is allowed, and what it does."""
    from jwmirror.pipeline.parameters.specs import groups  # imports jwst: seconds

    with told():
        found = groups(name)
    page = Page(*map(_group_page, found)) if name else _pipelines_page(found)
    tell({"groups": found}, page, as_json)


def _pipelines_page(groups: Sequence["Group"]) -> RenderableType:
    """One line per pipeline."""
    table = Table("pipeline", "stage", "parameters", "steps", box=None)
    for pipeline in dict.fromkeys(group.pipeline for group in groups):
        own = [group for group in groups if group.pipeline == pipeline]
        count = sum(len(group.parameters) for group in own)
        steps = ", ".join(group.step for group in own if group.step)
        table.add_row(pipeline, str(own[0].stage), f"{count:,}", steps)
    hint = "\n`jwmirror params PIPELINE` or `PIPELINE.STEP` lists them with defaults and help."
    return Page(table, Text(hint, style="dim"))


def _group_page(group: "Group") -> RenderableType:
    table = Table(box=None)
    table.add_column("parameter", no_wrap=True)  # the others give way in a narrow terminal
    for column in ("type", "default", "allowed", "what it does"):
        table.add_column(column)
    for each in group.parameters:
        default = "" if each.default is None else each.default
        cells = (each.name, each.type, default, _allowed(each), each.help)
        table.add_row(*map(escape, cells))
    title = Text.assemble((group.name, "bold"), f"  {group.class_name}")
    return Page(title, table if group.parameters else Text("no parameters of its own"), "")


def _allowed(parameter: "Parameter") -> str:
    """What may be said, in short: a, b; or 0 to 6; or >= 0."""
    low, high = parameter.minimum, parameter.maximum
    if parameter.allowed:
        return ", ".join(parameter.allowed)
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f">= {low}" if low is not None else f"<= {high}" if high is not None else ""


@app.command()
def new_step(
    name: Annotated[str, typer.Argument(help="Name of the function, such as fix_stripes.")],
    as_json: Json = False,
) -> None:
    """Write NAME.py and test_NAME.py here: a function to run between two pipelines, and a test."""
    from jwmirror.pipeline.usercode.template import new_step as write

    with told():
        module, test = write(name, Path.cwd())
    if as_json:
        print_json({"module": str(module), "test": str(test)})
        return
    print(f"{module}: what the step does, and the contract that it keeps")
    print(f"{test}: try it with `python -m pytest {test.name}`")
    print(f'In a recipe: between: {{"detector1..image2": {name}.{name}}}')
