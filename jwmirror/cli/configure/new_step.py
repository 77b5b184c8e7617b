"""`jwmirror new-step`: write a step of your own to start from."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.services.configure.new_step import write_new_step


@app.command("new-step")
def new_step_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the function, such as fix_stripes.")
    ],
    as_json: options.Json = False,
) -> None:
    """Write a template of your own function between two pipelines, and a test of it.

    NAME.py and test_NAME.py are written into the current folder; no file is overwritten.
    """
    module, test = write_new_step(name, Path.cwd())
    if as_json:
        output.print_json({"module": str(module), "test": str(test)})
        return
    output.say(f"{module}: the function; its docstring lists the rules for such functions")
    output.say(f"{test}: its test; run it with `python -m pytest {test.name}`")
    output.say(f'To use it in a recipe: between: {{"detector1..image2": {name}.{name}}}')
