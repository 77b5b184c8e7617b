"""`jwmirror associate`: write an association to start from."""

import re
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.config.selections import expand_numbers
from jwmirror.core.errors import ConfigError
from jwmirror.services.configure.associate import write_association

NUMBERS = re.compile(r"[0-9]{1,3}(-[0-9]{1,3})?")


@app.command("associate")
def associate_command(
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe that will use the association.")],
    rule: Annotated[
        str, typer.Option("--rule", help="Type: image2, spec2, image3, spec3, tso3, coron3, ami3.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write: a new one.")],
    observations: Annotated[
        str,
        typer.Option(metavar="NUMBERS", help="Observations, such as 5,6 or 1-4 (default: all)."),
    ] = "",
    program: Annotated[int | None, typer.Option(help="Program, if the recipe has several.")] = None,
    config: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Write an association of what the mirror has, to be edited and named in a recipe.

    jwst decides the roles of the exposures and the names of their files. Each optical path makes
    one product; in stage 2, each exposure does. No file is overwritten.
    """
    file, numbers = config or options.CONFIG, _numbers(observations)
    written = write_association(file, recipe, rule, numbers, out, program)
    if as_json:
        output.print_json(written)
        return
    counts = written.products.items()
    products = ", ".join(f"{name} ({n} member{'s' if n > 1 else ''})" for name, n in counts)
    output.say(f"{written.path}: {products}")
    output.say(f"To use it in recipe {recipe}: associations: [{written.path}]")


def _numbers(text: str) -> set[int]:
    """Return the numbers that 5,6 or 1-4 means."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not NUMBERS.fullmatch(part) or not expand_numbers(part):
            why = f"found {part!r}, expected numbers and ranges, such as 5,6 or 1-4"
            raise ConfigError([f"--observations: {why}"])
    return {number for part in parts for number in expand_numbers(part)}
