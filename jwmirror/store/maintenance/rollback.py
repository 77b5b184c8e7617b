"""Rollback: make an earlier or later generation the current one again, and let runs keep it.

Only CURRENT and `current` change, and the record of a hold. Every generation stays.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import failpoint
from jwmirror.core.model.maintenance import EndOfHold, Hold, Rollback
from jwmirror.store.generations import Generations
from jwmirror.store.lock import both_locks
from jwmirror.store.pins import read_hold, remove_hold, write_hold


def plan_rollback(root: Path, number: int, hold: Hold | None = None) -> Rollback:
    """Return what a rollback changes. StoreError if the generation is not complete."""
    generations = Generations(root)
    current = generations.require_current()
    generations.check_objects(generations.read_unpruned(number).columns("path", "sha256", "size"))
    newer = tuple(n for n in (each.number for each in generations.unpruned()) if n > number)
    return Rollback(
        mirror=str(root),
        before=current.number,
        generation=number,
        set_aside=newer,
        hold=hold or read_hold(root),
    )


def roll_back(
    root: Path, number: int, wait_s: float | None = 0.0, hold: Hold | None = None
) -> Rollback:
    """Make a generation the current one, durably, in one step for every reader.

    With `hold`, runs leave the view as it is from then on, until `release`. Access to objects stays
    as the newest publication set it. After a crash the old or the new
    generation is current and complete; the next rollback finishes the work.

    Raises:
        LockedError: a run or another change of the mirror did not end within `wait_s` seconds
            (None: wait without limit).
        StoreError: the generation is not complete.
    """
    generations = Generations(root)
    generations.require_current()
    with both_locks(root, "rollback", wait_s, "a complete state is still published") as lock:
        plan = plan_rollback(root, number, hold)
        if hold:
            write_hold(root, hold)  # first: no run shall undo a rollback that a crash left so
        if number == plan.before:
            generations.repair_pointers()
            return plan
        needed = {plan.before, number}
        generation, spare = generations.read(number), generations.spare_view(needed)
        rows = generation.columns("path", "sha256")
        generations.make_current(generation, rows, spare, lock.check)
        failpoint("rollback: pointers moved")
        generations.remove_views(needed)
    return plan


def plan_release(root: Path) -> EndOfHold:
    """Return the hold that ends, and the generations that runs have published meanwhile."""
    generations = Generations(root)
    current = generations.require_current()
    waiting = (each.number for each in generations.unpruned() if each.parent == current.number)
    release = EndOfHold(mirror=str(root), generation=current.number, hold=None, newer=())
    with suppress(StoreError):  # a damaged record ends, too
        release = replace(release, hold=read_hold(root))
    return replace(release, newer=tuple(number for number in waiting if number > current.number))


def release(root: Path, wait_s: float | None = 0.0) -> EndOfHold:
    """End the hold; the view stays as it is until the next run publishes.

    Raises:
        LockedError: as in `roll_back`.
    """
    Generations(root).require_current()
    with both_locks(root, "release", wait_s, "the view is still held, or not any more"):
        plan = plan_release(root)
        remove_hold(root)
    return plan
