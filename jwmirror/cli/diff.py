"""`jwmirror diff`: how two states of a mirror differ, or one file in them."""

from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, All, ConfigFile, Json, Mirror, app, mirror_of, tell, told
from jwmirror.report.terminal import diff as pages

SIDE = "A generation's number, a pin, or `current`; `42:deep` or `:deep` for a recipe, or upstream."


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=SIDE)],
    new: Annotated[str, typer.Argument(metavar="B", help="The other side, likewise.")],
    file: Annotated[str | None, typer.Argument(help="A file, by name or path.")] = None,
    recipe: Annotated[str, typer.Option(help="Only that recipe's files, or `upstream`.")] = "",
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """Which files differ between two generations or recipes, and why; or how one file differs.

    With FILE, it first says: identical, equal science content, header only, or pixels changed.
    """
    from jwmirror.services.inspect.diff import file_differences, state_difference, states_of

    with told():
        root = mirror_of(mirror, config)
        states = states_of(root, old, new, recipe)
        if file is None:
            found = state_difference(root, *states)
            page = pages.state_page(found, all_lines)
        else:
            found = file_differences(root, *states, file)
            page = pages.files_page(found, all_lines)
    tell(found, page, as_json)
