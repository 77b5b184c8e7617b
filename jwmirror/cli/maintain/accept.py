"""`jwmirror accept`: accept the caveats of a result."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.core.printing import printable
from jwmirror.report.terminal.maintenance import acceptance_page
from jwmirror.services.maintain.accept import accept_result


@app.command("accept")
def accept_command(
    result: Annotated[
        str,
        typer.Argument(metavar="RESULT", help="A file name, a product's root, or a result's key."),
    ],
    because: Annotated[str, typer.Option(help="Why the result may be used; it is recorded.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Only the result of this recipe. If recipes share it (the same key), "
            "it is accepted for all of them."
        ),
    ] = None,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Accept the caveats of a result. If it is held back, the next run publishes it.

    Its quality stays `caveat`, and shows who accepted it, when and why. Not for what failed.
    """
    root = options.find_mirror(mirror, config)
    acceptances = accept_result(root, result, printable(because), recipe, dry_run)
    output.show(acceptances, lambda shown: acceptance_page(shown, dry_run), as_json)
