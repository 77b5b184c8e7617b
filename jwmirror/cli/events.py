"""`jwmirror ingest-events`: what MAST's subscription e-mails say, as a hint."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, Json, Mirror, app, mirror_of, print_json, told
from jwmirror.report import formatting


@app.command()
def ingest_events(
    file: Annotated[Path, typer.Argument(help="The JSON file of a MAST subscription's e-mail.")],
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Let the next run ask for just the observations that MAST's events name; later ones for all.

    What of them is not mirrored is left out; if nothing of them is, the next run asks for all.
    """
    from jwmirror.archive.events import named, read_events
    from jwmirror.store.hints import keep

    with told():
        events = read_events(file)
        scopes = named(events)
        if scopes:
            keep(mirror_of(mirror, config), scopes)
    if as_json:
        programs = {str(scope.program): scope.observations for scope in scopes}
        print_json({"events": len(events), "programs": programs})
        return
    for scope in scopes:
        print(f"program {scope.program}: {', '.join(scope.observations) or 'all observations'}")
    asks = "for what is mirrored of this only" if scopes else "for all: they name no observation"
    print(f"{formatting.many(len(events), 'event')}; the next run asks {asks}")
