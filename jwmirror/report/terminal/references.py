"""Terminal pages of `jwmirror references verify` and `jwmirror invalidate`."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.errors import as_typed
from jwmirror.core.model.maintenance import (
    InvalidationReport,
    ReferenceProblem,
    ReferenceVerification,
)
from jwmirror.core.model.plan import AffectedResult
from jwmirror.report import formatting
from jwmirror.report.formatting import section


def invalidation_page(
    report: InvalidationReport, dry_run: bool, all_lines: bool = False
) -> RenderableType:
    """Return how many results are marked, and which published ones are among them."""
    verb = "would be" if dry_run else "are"
    count = formatting.count(len(report.keys), "result")
    title = "Published results among them; the next run computes again those of current/"
    return Group(
        Text(f"{count} {verb} invalidated: {', '.join(report.criteria)}"),
        *section(title, affected_lines(report.published), all_lines),
    )


def reference_verification_page(
    verification: ReferenceVerification, all_lines: bool = False
) -> RenderableType:
    """Return what was read, each problem, and the results that may be wrong."""
    files = formatting.count(verification.files, "file")
    problems = [_problem_line(problem) for problem in verification.problems]
    count = formatting.count(len(problems), "problem") if problems else "no problems found"
    title = (
        "Published results made with files of these names; if they used the wrong bytes, "
        f"{as_typed('invalidate --reference NAME')} lets the next run compute them again"
    )
    return Group(
        Text(
            f"{verification.cache}: {files}, {formatting.size(verification.bytes)}, "
            f"{_method(verification)}: {count}"
        ),
        *formatting.shortened(problems, all_lines),
        *section(title, affected_lines(verification.affected), all_lines),
    )


def _method(verification: ReferenceVerification) -> str:
    if not verification.unreachable:
        return "compared with the checksums that CRDS lists"
    return (
        f"CRDS did not answer ({verification.unreachable}), so they were compared with the "
        "checksums recorded when they were fetched"
    )


def _problem_line(problem: ReferenceProblem) -> str:
    return (
        f"{problem.kind}  {problem.name}  expected sha1 {problem.expected or 'unknown'}, "
        f"found {problem.found or 'no file'}{'; fetched again' if problem.is_repaired else ''}"
    )


def affected_lines(results: Sequence[AffectedResult]) -> list[str]:
    """Return a line for each result: recipe, pipeline and product, and the generations."""
    return [
        f"{result.recipe}: {result.result}  [{_generations(result.generations)}]"
        for result in results
    ]


def _generations(numbers: Sequence[int]) -> str:
    plural = "s" if len(numbers) > 1 else ""
    return f"generation{plural} {', '.join(map(str, numbers))}"
