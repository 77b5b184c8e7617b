"""`jwmirror check`: report every mistake in a config."""

import sys
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.core.printing import printable, wrapped
from jwmirror.services.configure.check import check_config


@app.command("check")
def check_command(
    config: options.ConfigFile = None,
    settings: options.Settings = None,
    allow_environments: Annotated[
        bool,
        typer.Option(
            "--allow-environments",
            help="Allow the Python environments of the recipes to run, now and later.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the mistakes in the config and its parameters; exit code 2 if there are any.

    Notes are about settings that are valid, but that you perhaps did not intend. Nothing that the
    config names is run, except environments that you have allowed. They check their own recipes.
    """
    path = config or options.CONFIG
    checked = check_config(path, settings or (), allow_environments)
    if as_json:
        output.print_json(
            {
                "config": str(path),
                "mistakes": checked.mistakes,
                "notes": checked.notes,
                "allowed": checked.allowed,
            }
        )
        raise typer.Exit(2 if checked.mistakes else 0)
    output.say(*(f"Allowed: {folder}" for folder in checked.allowed))
    if checked.mistakes:
        lines = "\n".join([f"Mistakes in {printable(str(path))}:", *checked.mistakes])
        print(wrapped(lines, sys.stderr), file=sys.stderr)
    else:
        searches = (f"[{search}]" for search in checked.searches)
        programs = ", ".join((*map(str, checked.programs), *searches))
        recipes = ", ".join(checked.recipes) or "none"
        output.say(f"{path}: no mistakes; programs {programs}; recipes {recipes}")
        output.say(*(f"Note: {note}" for note in checked.notes))
    raise typer.Exit(2 if checked.mistakes else 0)
