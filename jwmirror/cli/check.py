"""`jwmirror check`: whether a config is right."""

import sys

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, Json, Settings, app, print_json
from jwmirror.core.errors import ConfigError


@app.command()
def check(config: ConfigFile = CONFIG, settings: Settings = None, as_json: Json = False) -> None:
    """Check a config and every parameter in it; all mistakes at once, exit code 2."""
    from jwmirror.config.load import load  # imports jwst where a recipe has parameters
    from jwmirror.services.inspect.advice import advice

    mistakes: list[str] = []
    notes: list[str] = []
    try:
        found = load(config, settings or ())
        notes = list(advice(found.selections, found.recipes))
    except ConfigError as error:
        mistakes = error.mistakes
    if as_json:
        print_json({"config": str(config), "mistakes": mistakes, "notes": notes})
    elif not mistakes:
        programs = ", ".join(
            str(number) for number in sorted({s.program for s in found.selections})
        )
        recipes = ", ".join(recipe.name for recipe in found.recipes) or "none"
        print(f"{config}: no mistakes; programs {programs}; recipes {recipes}")
        print("".join(f"To know: {note}\n" for note in notes), end="")
    else:
        print(f"Mistakes in {config}:\n" + "\n".join(mistakes), file=sys.stderr)
    raise typer.Exit(2 if mistakes else 0)
