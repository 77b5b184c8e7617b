"""Rollback: an earlier generation, or a later one, becomes the current state again.

It publishes nothing and loses nothing: CURRENT and `current` move, every generation stays.
"""

from pathlib import Path

from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error
from jwmirror.core.model.maintenance import Rollback
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.manifest import Entries


def plan_rollback(root: Path, number: int) -> Rollback:
    """What going to a generation means; StoreError if it cannot be had whole."""
    return _planned(Generations(root), number)[0]


def roll_back(root: Path, number: int, wait_s: float | None = 0.0) -> Rollback:
    """Make a generation the current one, durably, in one step for every reader.

    Who may read which object stays as the newest publication set it. After a crash anywhere the
    former or the new generation is current and whole, and rolling back again completes it. It waits
    `wait_s` (None: as long as it takes) for a run under way, which plans upon what is current, and
    for who changes the mirror; then LockedError.
    """
    generations = Generations(root)
    generations.require_current()
    with (
        as_store_error("rollback", "a whole state stays published"),
        mirror_lock(root, "rollback", wait_s, RUN_LOCK),
        mirror_lock(root, "rollback", wait_s) as held,
    ):
        plan, rows = _planned(generations, number)
        if number == plan.before:
            generations.repair_pointers()
            return plan
        needed = {plan.before, number}
        spare = generations.spare_view(needed)
        generations.make_current(generations.read(number), rows, spare, held.check)
        failpoint("rollback: pointers moved")
        generations.remove_views(needed)
    return plan


def _planned(generations: Generations, number: int) -> tuple[Rollback, Entries]:
    current = generations.require_current()
    rows = generations.read_unpruned(number).columns("path", "sha256", "size")
    generations.check_objects(rows)
    newer = tuple(each.number for each in generations.unpruned() if each.number > number)
    plan = Rollback(
        mirror=str(generations.root), before=current.number, generation=number, set_aside=newer
    )
    return plan, rows
