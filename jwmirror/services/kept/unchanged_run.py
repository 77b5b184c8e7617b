"""A run that would change nothing: found by what the last run depended on, and ended early.

The last run must have done all of its work, so that nothing waits for a time or a service. Then a
run with the same config, software, files, answers of MAST and CRDS, and state of the mirror would
plan and publish the same.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.astrometry.slices import is_old
from jwmirror.core.errors import JwmirrorError
from jwmirror.core.files import cached_digest
from jwmirror.core.jsonio import digest, read, write
from jwmirror.core.model import Orders, Poll, References
from jwmirror.core.model.run import Run
from jwmirror.services.kept.answers import (
    changed_parts,
    forget_answer,
    keep_answer,
    read_answer,
)
from jwmirror.services.kept.conditions import RunConditions
from jwmirror.services.kept.dependencies import generation_digest, stored_digest
from jwmirror.services.run.references import watched_references
from jwmirror.store.generations import Generations
from jwmirror.store.runs import RunFiles, newest_first, read_if_written

ANSWER = "run"  # name of the kept answer
MAY_END = ("references", "catalogue", "environment")  # causes of waits that may be gone next time

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """The last run that left nothing to do, and what it printed at its end."""

    run: str  # id
    summary: str


# ---- at the end of a run -----------------------------------------------------------------------


def remember_run(mirror: Path, run: Path, records: Run, parts: Mapping[str, str], end: str) -> None:
    """Keep what a run depended on that ended without an error, if it left nothing to do.

    `end` is what an unchanged run prints.
    """
    current = Generations(mirror).current()
    is_current = current and records.published and current.number == records.published.generation
    if not (is_current and _is_finished(records) and records.poll and records.references):
        forget_answer(mirror, ANSWER)
        return
    own = _own_parts(mirror, run, records.poll.repeated)
    whole = {**parts, **own, "CRDS": _references_digest(records.references)}
    keep_answer(mirror, ANSWER, whole, FinishedRun(run=run.name, summary=end))


def _is_finished(records: Run) -> bool:
    """Return whether nothing is left that another time or a service may change."""
    poll, settling, references = records.poll, records.settling, records.references
    if poll is None or settling is None or references is None:
        return False
    waits = [wait for plan in records.plans for wait in (*plan.waits, *plan.failures)]
    pending = (
        *(records.failures, records.refused, poll.doubts, poll.is_partial),
        *(settling.unsettled, settling.doubted, references.unwatched),
        *(references.missing_contexts, references.gaia.missing, references.gaia.notes),
        [wait for wait in waits if wait.cause in MAY_END],
    )
    return not any(pending)


# ---- after the poll of the next run ------------------------------------------------------------


def record_if_unchanged(mirror: Path, run: Path, conditions: RunConditions) -> None:
    """Record and print that a run, which has polled, would change nothing, if so: then it ends."""
    if last := _unchanged_since(mirror, run, conditions):
        write(RunFiles(run).unchanged, last.run)
        print(last.summary, flush=True)


def _unchanged_since(mirror: Path, run: Path, conditions: RunConditions) -> FinishedRun | None:
    """Return the run since which nothing changed; None if there was no run. CRDS is asked last."""
    parts, finished = read_answer(mirror, ANSWER, FinishedRun)
    earlier = newest_first(run.parent, before=run)
    if finished is None or not earlier or earlier[0].name != finished.run:
        return None
    ordered = read(RunFiles(run).orders, Orders)
    if ordered.products or ordered.refused:
        return None
    now = {**conditions.parts, **_own_parts(mirror, run, read(RunFiles(run).poll, Poll))}
    if changed := changed_parts(parts, {**now, "CRDS": parts["CRDS"]}):
        log.info("since run %s, these changed: %s", finished.run, ", ".join(changed))
        return None
    references = read_if_written(RunFiles(earlier[0]).references, References)
    is_same = references and _is_same(mirror, references, conditions, parts["CRDS"])
    return finished if is_same else None


def _is_same(mirror: Path, last: References, conditions: RunConditions, expected: str) -> bool:
    """Return whether CRDS says the same as to the last run, and no stars are to be fetched."""
    policy = conditions.references
    if any(is_old(stored, policy.gaia_refresh) for stored in last.gaia.found.values()):
        return False
    try:
        now = watched_references(mirror, last, conditions.recipes, policy)
    except JwmirrorError as err:
        log.info("the references are synced again: %s", err)
        return False
    return _references_digest(now) == expected


# ---- digests -----------------------------------------------------------------------------------


def _own_parts(mirror: Path, run: Path, poll: Poll) -> dict[str, str]:
    """Return what a run depends on by its poll and the state of the mirror."""
    listings = tuple(replace(listing, asked_at="", products=()) for listing in poll.listings)
    content = replace(poll, listings=listings, etag_kinds=(), products_in="", undecided={})
    products = cached_digest(RunFiles(run).listings)
    return {
        "MAST": digest([content, products]),
        "generation": generation_digest(mirror),
        "store": stored_digest(mirror),
    }


def _references_digest(references: References) -> str:
    """Return the digest of references; it does not matter which run has found something first."""
    findings = sorted((replace(each, is_new=False) for each in references.findings), key=str)
    return digest(replace(references, findings=tuple(findings)))
