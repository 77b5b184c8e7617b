"""`jwmirror new-step`: a step of one's own to start from."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import Json, app, print_json, told


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
