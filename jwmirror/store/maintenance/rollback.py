"""Rollback: make an earlier or later generation the current one again.

Only CURRENT and `current` change. Every generation stays.
"""

from pathlib import Path

from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error
from jwmirror.core.model.maintenance import Rollback
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.manifest import Entries


def plan_rollback(root: Path, number: int) -> Rollback:
    """Return what a rollback changes. StoreError if the generation is not complete."""
    return _planned(Generations(root), number)[0]


def roll_back(root: Path, number: int, wait_s: float | None = 0.0) -> Rollback:
    """Make a generation the current one, durably, in one step for every reader.

    Access to objects stays as the newest publication set it. After a crash the old or the new
    generation is current and complete; the next rollback finishes the work.

    Raises:
        LockedError: a run or another change of the mirror did not end within `wait_s` seconds
            (None: wait without limit).
        StoreError: the generation is not complete.
    """
    generations = Generations(root)
    generations.require_current()
    with (
        as_store_error("rollback", "a complete state is still published"),
        mirror_lock(root, "rollback", wait_s, RUN_LOCK),
        mirror_lock(root, "rollback", wait_s) as lock,
    ):
        plan, rows = _planned(generations, number)
        if number == plan.before:
            generations.repair_pointers()
            return plan
        needed = {plan.before, number}
        spare = generations.spare_view(needed)
        generations.make_current(generations.read(number), rows, spare, lock.check)
        failpoint("rollback: pointers moved")
        generations.remove_views(needed)
    return plan


def _planned(generations: Generations, number: int) -> tuple[Rollback, Entries]:
    current = generations.require_current()
    rows = generations.read_unpruned(number).columns("path", "sha256", "size")
    generations.check_objects(rows)
    newer = tuple(n for n in (each.number for each in generations.unpruned()) if n > number)
    plan = Rollback(
        mirror=str(generations.root), before=current.number, generation=number, set_aside=newer
    )
    return plan, rows
