"""`jwmirror checkout` and `as-of`: the view of any generation, beside the current one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, DryRun, Json, Mirror, app, mirror_of, tell, told
from jwmirror.cli.generations import State
from jwmirror.core.model.maintenance import Checkout
from jwmirror.report.terminal.maintenance import checkout_page, frozen_page
from jwmirror.store.maintenance.checkout import (
    COPY,
    HARDLINK,
    MODES,
    REFLINK,
    check_out,
    generation_at,
    moment_of,
    plan_checkout,
)
from jwmirror.store.maintenance.lookup import generation_named

CheckoutMode = StrEnum("CheckoutMode", [(mode.upper(), mode) for mode in MODES])
To = Annotated[Path, typer.Option("--to", help="A folder that is not there yet, or is empty.")]
Mode = Annotated[
    CheckoutMode, typer.Option("--mode", help="Links to the objects, or copies of them.")
]


@app.command()
def checkout(
    generation: State,
    to: To,
    mode: Mode = CheckoutMode.SYMLINK,
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show a generation in a folder of its own; the current view stays as it is."""
    with told():
        root = mirror_of(mirror, config)
        number = generation_named(root, generation).number
        done = _checked_out(root, number, to, mode, dry_run)
    tell(done, checkout_page(done, dry_run), as_json)


@app.command()
def as_of(
    date: Annotated[str, typer.Argument(help="A day (its end, UTC) or a time, ISO 8601.")],
    to: To,
    mode: Mode = CheckoutMode.SYMLINK,
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show the state that was current at a time in a folder of its own, and say which it was."""
    with told():
        root = mirror_of(mirror, config)
        number = generation_at(root, moment_of(date)).number
        done = _checked_out(root, number, to, mode, dry_run)
    tell(done, checkout_page(done, dry_run), as_json)


def _checked_out(root: Path, number: int, to: Path, mode: CheckoutMode, dry_run: bool) -> Checkout:
    return (plan_checkout if dry_run else check_out)(root, number, to, mode.value)


ROOT = Path(__file__).parents[2]
BagMode = StrEnum("BagMode", [(mode.upper(), mode) for mode in (COPY, REFLINK, HARDLINK)])


@app.command()
def freeze(
    generation: State,
    to: To,
    mode: Annotated[
        BagMode, typer.Option("--mode", help="How the bag gets its files.")
    ] = BagMode.COPY,
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
