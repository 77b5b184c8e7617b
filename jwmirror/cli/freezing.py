"""`jwmirror freeze`: a generation as a BagIt bag."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, DryRun, Json, Mirror, app, mirror_of, tell, told
from jwmirror.cli.export import To
from jwmirror.cli.generations import State
from jwmirror.report.terminal.maintenance import frozen_page
from jwmirror.store.maintenance.checkout import COPY, HARDLINK, REFLINK
from jwmirror.store.maintenance.lookup import generation_named

ROOT = Path(__file__).parents[2]
How = StrEnum("How", [(mode.upper(), mode) for mode in (COPY, REFLINK, HARDLINK)])


@app.command()
def freeze(
    generation: State,
    to: To,
    mode: Annotated[How, typer.Option("--mode", help="How the bag gets its files.")] = How.COPY,
    with_exclusive: Annotated[
        bool, typer.Option("--with-exclusive", help="Exclusive-access files, too.")
    ] = False,
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write a generation as a BagIt bag with config, provenance, environment and citation.

    Every byte of it is checked by the bagit library; prune never takes the generation.
    """
    from jwmirror.store.maintenance import bag

    with told():
        root = mirror_of(mirror, config)
        number = generation_named(root, generation).number
        if dry_run:
            done = bag.plan_freeze(root, number, to, mode.value, with_exclusive)
        else:
            extras = _extras(config)
            done = bag.freeze(root, number, to, mode.value, with_exclusive, extras)
    tell(done, frozen_page(done, dry_run), as_json)


def _extras(config: Path) -> dict[str, bytes]:
    """The config, the environment's lock and how to cite jwmirror, as far as they are there."""
    places = {
        "metadata/config.yaml": config,
        "metadata/environment/jwmirror.lock": ROOT / "envs" / "jwmirror.lock",
        "metadata/software/CITATION.cff": ROOT / "CITATION.cff",
    }
    return {name: path.read_bytes() for name, path in places.items() if path.is_file()}
