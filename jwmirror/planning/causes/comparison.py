"""The causes of all differences between two states. Pure: what must be looked up is passed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from statistics import median

from jwmirror.core.model.history.causes import Cause, ContentSummary
from jwmirror.core.model.product import Reason
from jwmirror.planning.causes.products import find_product_roots
from jwmirror.planning.causes.results import ResultTracer, find_result_roots
from jwmirror.planning.causes.states import Evidence, Findings, Root, State
from jwmirror.store.rows.differences import RowDifferences, row_differences

SHOWN = 3  # references that a summary names


def causes_between(
    old: State, new: State, evidence: Evidence, differing: RowDifferences | None = None
) -> tuple[Cause, ...]:
    """Return why the files of two states differ: first MAST's; those of the most files first.

    Each file that differs is among the paths of a cause; of several, if several things changed.
    """
    differing = differing or row_differences(old.entries, new.entries)
    findings = Findings()
    products = find_product_roots(differing, old, new, findings)
    tracer = ResultTracer(old, new, products, evidence)
    find_result_roots(differing, tracer, findings)
    causes = (_cause(root, findings, evidence) for root in findings.paths)
    return tuple(sorted(causes, key=lambda cause: (bool(cause.recipe), -cause.files, str(cause))))


def _cause(root: Root, findings: Findings, evidence: Evidence) -> Cause:
    paths = tuple(sorted(set(findings.paths[root])))
    return Cause(
        **asdict(root),
        files=len(paths),
        results=findings.followers.get(root, 0),
        content=_content(findings.versions.get(root, ()), evidence),
        paths=paths,
    )


def _content(
    versions: Sequence[tuple[str, str, bool]], evidence: Evidence
) -> ContentSummary | None:
    """Return how contents differ, of those that were compared; numbers of public files only."""
    known = [
        (change, is_closed)
        for old, new, is_closed in versions
        if (change := evidence.content(old, new))
    ]
    if not known:
        return None
    sigmas = [change.sigma for change, is_closed in known if change.sigma and not is_closed]
    references = Counter(reason for change, _ in known for reason in change.references)
    return ContentSummary(
        verdicts=dict(sorted(Counter(change.verdict for change, _ in known).items())),
        sigma=median(sigmas) if sigmas else None,
        references=tuple(reason for reason, _ in references.most_common(SHOWN)),
        files=len(versions),
    )


def summed_up(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return causes without paths; those that differ only in the observation are one."""
    groups: dict[Cause, list[Cause]] = {}
    for cause in causes:
        alike = replace(cause, place="", files=0, results=0, content=None, paths=())
        groups.setdefault(alike, []).append(cause)
    return tuple(_sum(group) for group in groups.values())


def _sum(group: Sequence[Cause]) -> Cause:
    first = replace(group[0], paths=())
    if len(group) == 1:
        return first
    places = sorted({cause.place for cause in group})
    return replace(
        first,
        place=f"{places[0]} and {len(places) - 1:,} more",
        files=sum(cause.files for cause in group),
        results=sum(cause.results for cause in group),
        content=_joined([cause.content for cause in group if cause.content]),
    )


def _joined(parts: Sequence[ContentSummary]) -> ContentSummary | None:
    if not parts:
        return None
    verdicts: Counter[str] = Counter()
    references: dict[Reason, None] = {}
    for part in parts:
        verdicts.update(part.verdicts)
        references |= dict.fromkeys(part.references)
    sigmas = [part.sigma for part in parts if part.sigma]
    return ContentSummary(
        verdicts=dict(sorted(verdicts.items())),
        sigma=median(sigmas) if sigmas else None,
        references=tuple(references)[:SHOWN],
        files=sum(part.files for part in parts),
    )
