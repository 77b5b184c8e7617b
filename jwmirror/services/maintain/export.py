"""Show a generation in a separate folder, or write it as a BagIt bag."""

from pathlib import Path

from jwmirror.core.model.maintenance import BagReport, Checkout
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.maintenance.checkout import check_out
from jwmirror.store.maintenance.lookup import generation_at, generation_named, moment_of


def check_out_generation(root: Path, name: str, to: Path, mode: str, dry_run: bool) -> Checkout:
    """Write the view of a generation (its number, a pin, or `current`) to the folder `to`."""
    return check_out(root, generation_named(root, name).number, to, mode, dry_run)


def check_out_as_of(root: Path, date: str, to: Path, mode: str, dry_run: bool) -> Checkout:
    """Write the view of the generation that was current at an ISO 8601 date (its end) or time."""
    return check_out(root, generation_at(root, moment_of(date)).number, to, mode, dry_run)


def freeze_generation(
    root: Path, name: str, to: Path, mode: str, with_exclusive: bool, dry_run: bool
) -> BagReport:
    """Write a generation (its number, a pin, or `current`) as a bag in the folder `to`."""
    return freeze(root, generation_named(root, name).number, to, mode, with_exclusive, dry_run)
