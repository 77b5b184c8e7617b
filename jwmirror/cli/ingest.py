"""`jwmirror adopt`: files that are there already need no download."""

import os
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import (
    CONFIG,
    All,
    ConfigFile,
    DryRun,
    Json,
    Mirror,
    Wait,
    app,
    mirror_of,
    patience,
    print_json,
    tell,
    told,
)
from jwmirror.config.load import Config, load
from jwmirror.core.files import as_store_error
from jwmirror.core.model import UPSTREAM, Product
from jwmirror.core.model.maintenance import Adoption
from jwmirror.report import formatting
from jwmirror.report.terminal.maintenance import adoption_page
from jwmirror.store.generations import Generations
from jwmirror.store.lease import RUN, lease
from jwmirror.store.maintenance.adopt import check_folder
from jwmirror.store.objects import Objects
from jwmirror.store.runs import fetched


@app.command()
def adopt(
    folder: Annotated[Path, typer.Argument(help="A folder with files under MAST's names.")],
    config: ConfigFile = CONFIG,
    wait: Wait = False,
    dry_run: DryRun = False,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """Take in files that you have already, so that the next run need not fetch them.

    MAST is asked what it holds; a file counts if it has MAST's size and checksum. Yours stay as
    they are: the mirror takes copies, which share their blocks where the file system can.
    """
    with told():
        asked = load(config)
        check_folder(folder)  # before MAST is asked
        done = _adopted(asked, folder, wait, dry_run)
    tell(done, adoption_page(done, dry_run, all_lines), as_json)


def _adopted(config: Config, folder: Path, wait: bool, dry_run: bool) -> Adoption:
    from jwmirror.net.integrity import check_readable
    from jwmirror.net.staging import staging_folder
    from jwmirror.pipeline.identity import version_of
    from jwmirror.store.maintenance.adopt import adopt as take_in

    root = config.mirror
    if dry_run:
        wanted, held = _lacking(config)
        return take_in(root, folder, wanted, held, version_of, check_readable, None)
    told = "what has no receipt is not adopted"
    with as_store_error("adopt", told), lease(root, "adopt", patience(wait), RUN):
        wanted, held = _lacking(config)
        with staging_folder(Objects(root).incoming, (), wanted.values()) as into:
            return take_in(
                root, folder, wanted, held, version_of, check_readable, into, config.group
            )


def _lacking(config: Config) -> tuple[dict[str, Product], set[str]]:
    """What MAST has that the mirror lacks, by file name; and the names of what it has."""
    from jwmirror.archive.poll import group_into_orders, poll

    root = config.mirror
    entries = Generations(root).entries()
    token = os.environ.get(config.token_env)
    found = poll(config.archive_url, config.selections, entries, token, config.downloads)
    arrived = list(fetched(root))
    ordered = group_into_orders(found, arrived).products.values()
    wanted = {product.filename: product for products in ordered for product in products}
    held = {entry.filename for entry in entries if entry.origin == UPSTREAM}
    held |= {version.product.filename for version in arrived}
    return wanted, held - wanted.keys()


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
    from jwmirror.archive.events import read_events, scopes_of
    from jwmirror.store.runs import keep

    with told():
        events = read_events(file)
        scopes = scopes_of(events)
        if scopes:
            keep(mirror_of(mirror, config), scopes)
    if as_json:
        programs = {str(scope.program): scope.observations for scope in scopes}
        print_json({"events": len(events), "programs": programs})
        return
    for scope in scopes:
        print(f"program {scope.program}: {', '.join(scope.observations) or 'all observations'}")
    asks = "for what is mirrored of this only" if scopes else "for all: they name no observation"
    print(f"{formatting.count(len(events), 'event')}; the next run asks {asks}")
