"""`jwmirror rollback`, `pin`, `unpin`, `prune`: names for states, and what stays."""

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
    tell,
    told,
)
from jwmirror.core.errors import ConfigError
from jwmirror.report.terminal import maintenance as pages

GEN = "A generation's number, a pin, or `current`."
State = Annotated[str, typer.Argument(metavar="GEN", help=GEN)]


@app.command()
def rollback(
    generation: State,
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    wait: Wait = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make an earlier (or later) generation the current one; all others stay.

    The next run compares MAST and the config with it, and brings back what they ask for.
    """
    from jwmirror.store.maintenance.lookup import generation_named
    from jwmirror.store.maintenance.rollback import plan_rollback, roll_back

    with told():
        root = mirror_of(mirror, config)
        number = generation_named(root, generation).number
        done = plan_rollback(root, number) if dry_run else roll_back(root, number, patience(wait))
    tell(done, pages.rollback_page(done, dry_run), as_json)


@app.command()
def pin(
    name: Annotated[str, typer.Argument(help="The name to give.")],
    generation: Annotated[str, typer.Argument(metavar="[GEN]", help=GEN)] = "current",
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Give a generation a name; prune never takes one that has a name."""
    from jwmirror.store import pins
    from jwmirror.store.maintenance.lookup import generation_named

    with told():
        root = mirror_of(mirror, config)
        number = generation_named(root, generation).number
        if dry_run:
            pins.check_pin(root, name, number)
            found = pins.Pin(name=name, generation=number, kind=pins.PIN, made_at="")
        else:
            found = pins.pin(root, name, number)
    tell(found, pages.pin_page(found, dry_run), as_json)


@app.command()
def unpin(
    name: Annotated[str, typer.Argument(help="The name to take away.")],
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take a name away; its generation stays until a prune that does not keep it."""
    from jwmirror.store import pins

    with told():
        root = mirror_of(mirror, config)
        found = (pins.known_pin if dry_run else pins.unpin)(root, name)
    tell(found, pages.unpin_page(found, dry_run), as_json)


@app.command()
def prune(
    keep_last: Annotated[
        int | None, typer.Option(min=1, help="Keep so many of the newest generations.")
    ] = None,
    keep_days: Annotated[
        float | None, typer.Option(min=0, help="Keep what is younger than so many days.")
    ] = None,
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    wait: Wait = False,
    dry_run: DryRun = False,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """Give up old generations, and remove the objects that only they name.

    Kept always: the current generation, those with a name, and the newest version of every product.
    """
    from jwmirror.store.maintenance.prune import plan_pruning
    from jwmirror.store.maintenance.prune import prune as remove
    from jwmirror.store.maintenance.retention import Policy

    with told():
        if keep_last is None and keep_days is None:
            raise ConfigError(["prune: say what to keep: --keep-last N, --keep-days D, or both"])
        policy = Policy(keep_last=keep_last, keep_days=keep_days)
        root: Path = mirror_of(mirror, config)
        done = plan_pruning(root, policy) if dry_run else remove(root, policy, patience(wait))
    tell(done, pages.pruning_page(done, dry_run, all_lines), as_json)
