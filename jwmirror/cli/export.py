"""`jwmirror checkout` and `as-of`: the view of any generation, beside the current one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli.app import CONFIG, ConfigFile, DryRun, Json, Mirror, app, mirror_of, tell, told
from jwmirror.cli.generations import State
from jwmirror.report.terminal.maintenance import checkout_page
from jwmirror.store.maintenance.checkout import (
    MODES,
    Checkout,
    check_out,
    generation_at,
    moment_of,
    plan_checkout,
)
from jwmirror.store.maintenance.lookup import generation_named

How = StrEnum("How", [(mode.upper(), mode) for mode in MODES])
To = Annotated[Path, typer.Option("--to", help="A folder that is not there yet, or is empty.")]
Mode = Annotated[How, typer.Option("--mode", help="Links to the objects, or copies of them.")]


@app.command()
def checkout(
    generation: State,
    to: To,
    mode: Mode = How.SYMLINK,
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
    mode: Mode = How.SYMLINK,
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


def _checked_out(root: Path, number: int, to: Path, mode: How, dry_run: bool) -> Checkout:
    return (plan_checkout if dry_run else check_out)(root, number, to, mode.value)
