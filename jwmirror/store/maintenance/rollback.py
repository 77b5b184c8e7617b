"""Rollback: make an earlier or later generation the current one again.

Only CURRENT and `current` change. Every generation stays.
"""

from pathlib import Path

from jwmirror.core.failpoints import failpoint
from jwmirror.core.model.maintenance import Rollback
from jwmirror.store.generations import Generations
from jwmirror.store.lock import both_locks


def plan_rollback(root: Path, number: int) -> Rollback:
    """Return what a rollback changes. StoreError if the generation is not complete."""
    generations = Generations(root)
    current = generations.require_current()
    generations.check_objects(generations.read_unpruned(number).columns("path", "sha256", "size"))
    newer = tuple(n for n in (each.number for each in generations.unpruned()) if n > number)
    return Rollback(mirror=str(root), before=current.number, generation=number, set_aside=newer)


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
    with both_locks(root, "rollback", wait_s, "a complete state is still published") as lock:
        plan = plan_rollback(root, number)
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
