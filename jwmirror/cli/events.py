"""`jwmirror ingest-events`: what MAST's subscription e-mails say, as a hint."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, Json, Mirror, app, mirror_of, print_json, told


@app.command()
def ingest_events(
    file: Annotated[Path, typer.Argument(help="The JSON file of a MAST subscription's e-mail.")],
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Let the next run ask for just the programs that MAST's events name; later ones for all."""
    from jwmirror.archive.events import read_events
    from jwmirror.store.hints import keep

    with told():
        events = read_events(file)
        named = {str(event.program): set() for event in events}
        for event in events:
            named[str(event.program)] |= {event.observation} - {""}
        if events:
            keep(mirror_of(mirror, config), {event.program for event in events})
    programs = {program: sorted(observations) for program, observations in named.items()}
    if as_json:
        print_json({"events": len(events), "programs": programs})
        return
    for program, observations in sorted(programs.items()):
        print(f"program {program}: {', '.join(observations) or 'no observation named'}")
    print(f"{len(events)} events; the next run polls the mirrored ones of these programs only")
