"""`jwmirror search`: what the searches in the config find at MAST."""

import logging
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.services.inspect.search import search_archive


@app.command("search")
def search_command(
    config: options.ConfigFile = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Resolve names again, and forget what was found before."),
    ] = False,
    wait: options.Wait = False,
    as_json: options.Json = False,
) -> None:
    """Show which programs, files and bytes the searches in the config find at MAST.

    Nothing is downloaded. With --again, the next run selects what is found now, and nothing that
    only earlier runs found. Exit code 1 if a search fails; then nothing is recorded.
    """
    logging.disable(logging.WARNING)  # the page has what would be logged
    try:
        page = search_archive(config or options.CONFIG, again, options.lock_timeout_s(wait))
    finally:
        logging.disable(logging.NOTSET)
    if as_json:
        output.print_json(page)
        raise typer.Exit(1 if page.failures else 0)
    for name, target in page.targets.items():
        by = f"{target.canonical} by {target.resolver}, {target.resolved_at}"
        output.say(f"{name}: {target.ra:.6f} {target.dec:+.6f} ({by})")
    output.say(*page.lines, *(f"Failed: {failure}" for failure in page.failures))
    raise typer.Exit(1 if page.failures else 0)
