"""`jwmirror ingest-events`: let the next run ask only for what MAST's events name."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.services.maintain.events import ingest_events


@app.command("ingest-events")
def ingest_events_command(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON file attached to a MAST subscription e-mail."),
    ],
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    as_json: options.Json = False,
) -> None:
    """Read an e-mail of MAST about new data; the next run asks only for the observations in it.

    Observations that the config does not select are ignored. The run after the next one asks for
    everything again.
    """
    ingested = ingest_events(file, lambda: options.find_mirror(mirror, config))
    if as_json:
        output.print_json(ingested)
        return
    for program, observations in ingested.programs.items():
        output.say(f"program {program}: {', '.join(observations) or 'all observations'}")
    poll = "only for these" if ingested.programs else "for everything: no observation is named"
    output.say(f"events read: {ingested.events}; the next run asks {poll}")
