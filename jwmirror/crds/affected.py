"""The results that the kept generations show, and those of them that findings are about."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.core.model.plan import AffectedResult, ReferenceFinding, References
from jwmirror.report.status import ReferenceNotice
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance

COLUMNS = ("origin", "result", "key", "context")


def kept_results(root: Path) -> tuple[AffectedResult, ...]:
    """Return every result of every kept generation, each once, with the generations showing it."""
    generations: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for generation in Generations(root).unpruned():
        rows = generation.columns(*COLUMNS)
        columns = (rows.column(name) for name in COLUMNS)
        for row in dict.fromkeys(zip(*columns, strict=True)):
            generations[row].append(generation.number)
    return tuple(
        AffectedResult(
            recipe=recipe, result=result, key=key, context=context, generations=tuple(numbers)
        )
        for (recipe, result, key, context), numbers in sorted(generations.items())
        if key
    )


def results_with_keys(root: Path, keys: Collection[str]) -> tuple[AffectedResult, ...]:
    """Return the results of the kept generations with these keys."""
    return tuple(result for result in kept_results(root) if result.key in keys)


def reference_notices(
    root: Path, findings: Sequence[ReferenceFinding]
) -> tuple[ReferenceNotice, ...]:
    """Return findings with the results that they are about, as status and report show them."""
    return tuple(
        ReferenceNotice(
            kind=finding.kind, file=finding.name, message=finding.message, results=results
        )
        for finding, results in zip(findings, affected_results(root, findings), strict=True)
    )


def affected_results(
    root: Path, findings: Sequence[ReferenceFinding]
) -> tuple[tuple[AffectedResult, ...], ...]:
    """Return for each finding the results of the kept generations that it is about."""
    affected: tuple[list[AffectedResult], ...] = tuple([] for _ in findings)
    provenance = Provenance(root)
    references: dict[str, dict[str, tuple[str, str]]] = {}
    for result in kept_results(root) if findings else ():
        if result.key not in references:
            record = provenance.read_if_allowed(result.key)
            references[result.key] = dict(record.derivation.references) if record else {}
        for finding, results in zip(findings, affected, strict=True):
            if finding.is_about(references[result.key], result.context):
                results.append(result)
    return tuple(map(tuple, affected))


def current_findings(
    found: Sequence[ReferenceFinding], now: References, last: References | None, mirror: Path
) -> dict[ReferenceFinding, tuple[AffectedResult, ...]]:
    """Return the findings that concern a mirror, with the results that they are about.

    These are the ones `found` now, and corrections that the `last` run reported; if CRDS did not
    answer now, all findings of the last run. It may have asked another server: the results are the
    same. A finding concerns the mirror if the file is in use `now`, or if a kept generation has
    results made with it.
    """
    earlier = {_identity(finding): finding for finding in (last.findings if last else ())}
    remaining = {
        i: finding for i, finding in earlier.items() if finding.kind == "corrected" or now.unwatched
    }
    findings = remaining | {_identity(finding): finding for finding in found}
    candidates = [replace(finding, is_new=i not in earlier) for i, finding in findings.items()]
    in_use = {**now.files, **now.mappings}
    return {
        finding: results
        for finding, results in zip(candidates, affected_results(mirror, candidates), strict=True)
        if results or (finding.kind != "corrected" and finding.name in in_use)
    }


def _identity(finding: ReferenceFinding) -> tuple[str, str, str]:
    return finding.name, finding.kind, finding.sha1
