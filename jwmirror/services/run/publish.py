"""Publish the new state of a mirror as a generation."""

from collections.abc import Sequence
from pathlib import Path

from jwmirror.core.model import Plan, Poll, Receipt, References, SettleResult, write
from jwmirror.core.model.plan import Published
from jwmirror.services.run.quality.publication import PublicationPolicy, judged_rows
from jwmirror.store.generations import Generations
from jwmirror.store.lock import mirror_lock
from jwmirror.store.runs import RunFiles, read_run, upstream_after

WAIT_S = 3600.0  # for another process that changes what is published


def publish_generation(
    *,
    mirror: Path,
    run: Path,
    group: str | None,
    poll: Poll,
    settling: SettleResult,
    references: References,
    plans: Sequence[Plan],
    receipts: Sequence[Receipt],
    policy: PublicationPolicy,
) -> Published:
    """Publish what the mirror has now in one atomic step, if the current generation differs.

    `run` is the folder of the run, whose id and cause the generation records; what its recipes hold
    back is recorded there. `group` may read exclusive files.

    Raises:
        LockedError: another process changes what is published, and did not end within an hour.
    """
    generations, records = Generations(mirror, group), read_run(run)
    facts = {"run": records.id, "context": references.context}
    with mirror_lock(mirror, f"publication of {records.id}", wait_s=WAIT_S) as lock:
        before, upstream = generations.entries(), upstream_after(mirror, poll, settling.waiting)
        judged = judged_rows(mirror, before, upstream, references, plans, receipts, policy)
        write(RunFiles(run).held_back, judged.held_back)
        entries = [*upstream, *judged.rows]
        new = generations.publish(entries, records.cause, facts, lock.check)
        current = new or generations.current()
    return Published(generation=current.number if current else 0, is_new=new is not None)
