"""Go back to a generation, name it, and remove those that are not kept."""

import getpass
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import ConfigError
from jwmirror.core.model.maintenance import EndOfHold, Hold, Pin, Pruning, Rollback
from jwmirror.store import pins
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.maintenance.prune import plan_pruning, prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import plan_release, plan_rollback, release, roll_back


def roll_back_to(
    root: Path,
    name: str,
    wait_s: float | None,
    dry_run: bool,
    hold: bool = False,
    reason: str = "",
) -> Rollback:
    """Make a generation the current one; `name` is its number, a pin or `current`.

    `wait_s` is how long to wait for the mirror's lock (None: without limit). With `hold`, runs
    leave the view as it is, for a `reason` in words.

    Raises:
        ConfigError: a reason is given without `hold`.
        StoreError: there is no such generation, or it is not complete.
        LockedError: the mirror is locked.
    """
    if reason and not hold:
        raise ConfigError(["rollback: --reason says why the view is held; add --hold"])
    number = generation_named(root, name).number
    since = datetime.now(UTC).isoformat(timespec="seconds")
    new = Hold(who=getpass.getuser(), since=since, reason=reason) if hold else None
    if dry_run:
        return plan_rollback(root, number, new)
    return roll_back(root, number, wait_s, new)


def release_view(root: Path, wait_s: float | None, dry_run: bool) -> EndOfHold:
    """Let runs change the view again.

    Raises:
        StoreError: there is no generation.
        LockedError: the mirror is locked.
    """
    return plan_release(root) if dry_run else release(root, wait_s)


def pin_generation(root: Path, pin_name: str, generation: str, dry_run: bool) -> Pin:
    """Give a generation (its number, another pin, or `current`) a name.

    Raises:
        StoreError: there is no such generation, or the name is in use.
    """
    number = generation_named(root, generation).number
    if not dry_run:
        return pins.add_pin(root, pin_name, number)
    pins.check_pin(root, pin_name, number)
    return Pin(name=pin_name, generation=number, kind=pins.PIN, made_at="")


def unpin_generation(root: Path, pin_name: str, dry_run: bool) -> Pin:
    """Remove a name, and return what it named; StoreError if there is no such name."""
    return pins.require_pin(root, pin_name) if dry_run else pins.remove_pin(root, pin_name)


def prune_generations(
    root: Path,
    keep_last: int | None,
    keep_days: float | None,
    wait_s: float | None,
    dry_run: bool,
) -> Pruning:
    """Remove generations that are neither among the last nor young enough.

    Raises:
        ConfigError: neither `keep_last` nor `keep_days` is given.
        LockedError: the mirror is locked, still after `wait_s` seconds (None: wait without limit).
    """
    if keep_last is None and keep_days is None:
        raise ConfigError(["prune: say what to keep: --keep-last N, --keep-days D, or both"])
    policy = RetentionPolicy(keep_last=keep_last, keep_days=keep_days)
    return plan_pruning(root, policy) if dry_run else prune(root, policy, wait_s)
