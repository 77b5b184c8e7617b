"""`jwmirror references`: export reference files for a site without network."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.services.maintain.references import bundle_references

references = typer.Typer(
    help="Collect reference files for a site without network.", no_args_is_help=True
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
    """Copy all references that the recipes need into one folder, for a site without network.

    Without --sync, the references of the last run are copied.
    """
    bundle = bundle_references(config or options.CONFIG, to, sync)
    if as_json:
        output.print_json(bundle)
        return
    megabytes = bundle.size / 1e6
    print(f"{bundle.folder}: {bundle.files} files, {megabytes:,.1f} MB, for {bundle.context}")
    settings = f"references: {{cache: {bundle.folder}, context: {bundle.context}}}"
    print(f"At the other site, put this into the config: {settings}")
