"""The causes of all differences between two states. Pure: what must be looked up is passed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.history.causes import (
    IS_NAMED,
    NAMED,
    REFERENCES,
    Cause,
    ContentSummary,
    largest_change,
)
from jwmirror.planning.causes.products import find_product_roots
from jwmirror.planning.causes.results import ResultTracer, find_result_roots
from jwmirror.planning.causes.states import Findings, Lookups, PublishedState
from jwmirror.store.rows.differences import RowDifferences, row_differences


def causes_between(
    old: PublishedState,
    new: PublishedState,
    lookups: Lookups,
    differing: RowDifferences | None = None,
) -> tuple[Cause, ...]:
    """Return why the files of two states differ: first MAST's; those of the most files first.

    Each file that differs is among the paths of a cause; of several, if several things changed.
    """
    differing = differing or row_differences(old.entries, new.entries)
    findings = Findings()
    happened = find_product_roots(differing, old, new, findings)
    tracer = ResultTracer(old, new, happened, lookups)
    find_result_roots(differing, tracer, findings)
    causes = (_cause(root, findings, lookups) for root in findings.paths)
    return tuple(sorted(causes, key=lambda cause: (bool(cause.recipe), -cause.files, str(cause))))


def _cause(root: Cause, findings: Findings, lookups: Lookups) -> Cause:
    paths = tuple(sorted(set(findings.paths[root])))
    of_mast = [path for path in paths if path.startswith(f"{UPSTREAM}/")]
    is_named = root.kind in IS_NAMED and len(of_mast) <= NAMED
    return replace(
        root,
        files=len(paths),
        results=findings.followers.get(root, 0),
        content=_content(findings.versions.get(root, ()), lookups),
        names=tuple(path.rpartition("/")[2] for path in of_mast) if is_named else (),
        paths=paths,
    )


def _content(versions: Sequence[tuple[str, str, bool]], lookups: Lookups) -> ContentSummary | None:
    """Return how contents differ, of those that were compared; numbers of public files only."""
    known = [
        (change, is_closed)
        for old, new, is_closed in versions
        if (change := lookups.content(old, new))
    ]
    if not known:
        return None
    sigmas = [change.sigma for change, is_closed in known if change.sigma and not is_closed]
    references = Counter(reason for change, _ in known for reason in change.references)
    return ContentSummary(
        verdicts=dict(sorted(Counter(change.verdict for change, _ in known).items())),
        sigma=median(sigmas) if sigmas else None,
        noise=largest_change(change.noise for change, is_closed in known if not is_closed),
        references=tuple(reason for reason, _ in references.most_common(REFERENCES)),
        files=len(versions),
    )
