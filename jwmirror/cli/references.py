"""`jwmirror references`: what recipes need of CRDS, for places without network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jwmirror.cli.app import CONFIG, AskedConfig, Json, app, print_json, told
from jwmirror.core.errors import ReferencesError
from jwmirror.store.runs import last_references, last_run

if TYPE_CHECKING:
    from jwmirror.config.load import Config
    from jwmirror.core.model import References

references = typer.Typer(help="The reference files that recipes need.", no_args_is_help=True)
app.add_typer(references, name="references")


@references.command()
def bundle(
    to: Annotated[Path, typer.Option(help="The folder to write; it must not be there yet.")],
    config: AskedConfig = None,
    sync: Annotated[
        bool, typer.Option("--sync", help="Ask CRDS first, by the config as it is now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write all references that the recipes need into one folder, for a site without network.

    Those of the last run; with --sync those that the config needs now for what is held.
    """
    from jwmirror.config.load import load
    from jwmirror.crds.bundle import write_bundle as bundled

    with told():
        asked = load(config or CONFIG)
        needed = _synced(asked) if sync else last_references(asked.mirror)
        if needed is None or not needed.context:
            raise ReferencesError(
                f"{asked.mirror}: no run has synced references yet; run `snakemake` first, or add "
                "--sync."
            )
        made = bundled(needed.context, needed.files, asked.cache, to)
    if as_json:
        print_json(made)
        return
    print(f"{made.folder}: {made.files} files, {made.size / 1e6:,.1f} MB, for {made.context}")
    print(f"There: references: {{cache: {made.folder}, context: {made.context}}}")


def _synced(asked: "Config") -> "References | None":
    """What the config needs now for what is held, synced; None before the first run."""
    from jwmirror.services.inspect.preview import unpublished_poll  # imports jwst: seconds
    from jwmirror.services.run.references import FOLLOW, sync_references

    run = last_run(asked.mirror)
    if run is None:
        return None
    return sync_references(
        mirror=asked.mirror,
        poll=unpublished_poll(run),
        settling=run.settling,
        recipes=asked.recipes,
        url=asked.references_url,
        policy=asked.context,
        on_new_context=FOLLOW,
        cache=asked.cache,
    )
