"""`jwmirror references`: export reference files for a site without network, and verify them."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.references import reference_verification_page
from jwmirror.services.maintain.references import bundle_references, verify_references

references = typer.Typer(
    help="Verify references, or collect them for a site without network.",
    no_args_is_help=True,
)
app.add_typer(references, name="references")


@references.command("bundle")
def bundle_command(
    to: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")],
    config: options.ConfigFile = None,
    sync: Annotated[
        bool, typer.Option("--sync", help="Ask CRDS what the recipes need now, and download it.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Copy the references and slices of Gaia that recipes need, for a site without network.

    Without --sync, the references of the last run are copied.
    """
    bundle = bundle_references(config or options.CONFIG, to, sync)
    if as_json:
        output.print_json(bundle)
        return
    size = f"{bundle.size / 1e6:,.1f} MB"
    output.say(f"{bundle.folder}: {bundle.files} files, {size}, for {bundle.context}")
    settings = f"references: {{cache: {bundle.folder}, context: {bundle.context}}}"
    output.say(f"At the other site, put this into the config: {settings}")


@references.command("verify")
def verify_references_command(
    config: options.ConfigFile = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Fetch wrong and missing files from CRDS again.")
    ] = False,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Read the whole reference cache, and compare it with the checksums that CRDS lists.

    Exit code 1 if a file is wrong, missing or cannot be verified, and was not repaired.
    """
    verification = verify_references(config or options.CONFIG, repair)
    output.show(verification, lambda shown: reference_verification_page(shown, all_lines), as_json)
    is_whole = all(problem.is_repaired for problem in verification.problems)
    raise typer.Exit(0 if is_whole else 1)
