"""`jwmirror invalidate`: mark results that must not be used again."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.core.printing import printable
from jwmirror.report.terminal.references import invalidation_page
from jwmirror.services.maintain.invalidate import invalidate_results


@app.command("invalidate")
def invalidate_command(
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Results made with this reference file. Repeatable."),
    ] = None,
    result: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="The result with this file, or this key. Repeatable."),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="All results of this recipe. Repeatable."),
    ] = None,
    software: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VERSION", help="Results made with this version of a package. Repeatable."
        ),
    ] = None,
    because: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason; it is recorded and shown.")
    ] = "",
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Mark results as invalid. The next run computes them again, if it still needs them.

    The published files stay until then, and earlier generations keep them.
    """
    report = invalidate_results(
        options.find_mirror(mirror, config),
        references=reference or (),
        results=result or (),
        recipes=recipe or (),
        software=software or (),
        because=printable(because),
        wait_s=options.lock_timeout_s(wait),
        dry_run=dry_run,
    )
    output.show(report, lambda shown: invalidation_page(shown, dry_run, all_lines), as_json)
