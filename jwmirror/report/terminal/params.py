"""Terminal pages of `jwmirror params`: the parameters of the installed jwst."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.core.model.parameters import ParameterGroup

HINT = "\n`jwmirror params PIPELINE` or `PIPELINE.STEP` lists them with defaults and help."


def pipelines_page(groups: Sequence[ParameterGroup]) -> RenderableType:
    """Return one line per pipeline: its stage, number of parameters, and steps."""
    table = Table("pipeline", "stage", "parameters", "steps", box=None)
    for pipeline in dict.fromkeys(group.pipeline for group in groups):
        own = [group for group in groups if group.pipeline == pipeline]
        count = sum(len(group.parameters) for group in own)
        steps = ", ".join(group.step for group in own if group.step)
        table.add_row(pipeline, str(own[0].stage), f"{count:,}", steps)
    return Group(table, Text(HINT, style="dim"))


def groups_page(groups: Sequence[ParameterGroup]) -> RenderableType:
    """Return a table of parameters for each step."""
    return Group(*map(_group_table, groups))


def _group_table(group: ParameterGroup) -> RenderableType:
    table = Table(box=None)
    table.add_column("parameter", no_wrap=True)  # in a narrow terminal the others are wrapped
    for column in ("type", "default", "allowed", "what it does"):
        table.add_column(column)
    for parameter in group.parameters:
        default = "" if parameter.default is None else parameter.default
        cells = (parameter.name, parameter.type, default, parameter.range, parameter.help)
        table.add_row(*cells)
    title = Text.assemble((group.name, "bold"), f"  {group.class_name}")
    return Group(title, table if group.parameters else Text("no parameters"), "")
