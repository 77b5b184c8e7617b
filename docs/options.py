"""Write the page of all commands with all their options, as the command line has them."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from typer.main import get_command

from jwmirror.cli import app
from jwmirror.cli.app import COMMANDS

OPENING = """\
# Every option

What `jwmirror COMMAND -h` prints, for all commands. [Commands](commands.md) says more about each.

"""
HEAD = "| argument, option | meaning |\n|---|---|\n"


def options_page() -> str:
    """Return the page: a section for each command, with a table of its arguments and options."""
    for module in COMMANDS.values():
        import_module(f"jwmirror.cli.{module}")
    return OPENING + "\n".join(_sections(get_command(app)))


def _sections(group: Any) -> Iterator[str]:  # `Any`: typer does not export the classes of its click
    context = group.make_context("jwmirror", [], resilient_parsing=True)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        for member, each in getattr(command, "commands", {"": command}).items():
            rows = "".join(_row(parameter, context) for parameter in each.params)
            yield f"## jwmirror {name} {member}".rstrip() + f"\n\n{each.help}\n\n{HEAD}{rows}"


def _row(parameter: Any, context: Any) -> str:
    """Return the name of an argument or the names of an option, its value, and its help text."""
    if parameter.param_type_name == "argument":
        names = parameter.display_name_raw
    else:
        value = "" if parameter.is_flag else parameter.display_type_rich(ctx=context)
        names = f"{', '.join(parameter.opts)} {value}".strip()
    text = " ".join((parameter.help or "").split())
    names, text = (each.replace("|", r"\|") for each in (names, text))
    return f"| `{names}` | {text} |\n"
