"""What a run publishes of its results, by their quality and by what their recipes say."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jwmirror.config.thresholds import load_thresholds
from jwmirror.core.model import Entry, Plan, Receipt, References, Result
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.core.model.quality import FAILED, JudgedResult, Quality
from jwmirror.services.run.quality.judgement import (
    JudgementInputs,
    Name,
    ResultToJudge,
    judge_results,
)
from jwmirror.store.entries import recalibrated_entries, result_rows, results_of_run, with_quality


@dataclass(frozen=True, kw_only=True)
class PublicationPolicy:
    """What a config says about quality and contexts."""

    holding: Collection[str] = ()  # recipes that do not publish results with caveats
    thresholds: str = ""  # the user's file; "": none
    contexts: Mapping[str, str] = field(default_factory=dict)  # of recipes that name one


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """The rows of results to publish, and the results that are not published."""

    rows: tuple[Entry, ...]
    held_back: tuple[JudgedResult, ...]
    qualities: Mapping[Name, Quality]  # also of rows that were published before


def judged_rows(
    mirror: Path,
    before: Sequence[Entry],
    upstream: Sequence[Entry],
    references: References,
    plans: Sequence[Plan],
    receipts: Sequence[Receipt],
    policy: PublicationPolicy,
) -> JudgedRows:
    """Return the rows of a run's results with their quality, and what is held back.

    `before` are the rows that are published now, `upstream` those of MAST's products. A result that
    is published already is not held back, unless it failed, or was computed again under its key
    and has other files.
    """
    results = results_of_run(plans, receipts)
    by_name = {(result.recipe, result.key): result for result in results}
    earlier = _earlier(before, by_name)
    inputs = JudgementInputs(
        results=results,
        context=references.context,
        contexts=policy.contexts,
        earlier=earlier,
        archived=_archived([*results, *(each.result for each in earlier)], upstream),
        references=_about_results(references.findings),
        thresholds=load_thresholds(Path(policy.thresholds) if policy.thresholds else None),
    )
    qualities = judge_results(mirror, inputs)
    published = {(row.origin, row.key, row.sha256) for row in before}
    held_back = _held_back(by_name, qualities, policy, published)
    rows = recalibrated_entries(
        before, plans, results, references.context, held_back, policy.contexts
    )
    judged = with_quality(rows, qualities)
    return JudgedRows(
        rows=tuple(row for row in judged if row.quality != FAILED),
        held_back=tuple(_judged(held_back[name], qualities[name]) for name in sorted(held_back)),
        qualities=qualities,
    )


def _held_back(
    results: Mapping[Name, Result],
    qualities: Mapping[Name, Quality],
    policy: PublicationPolicy,
    published: Collection[tuple[str, str, str]],
) -> dict[Name, Result]:
    """Return the results that are not published; of the `published` files, recipe, key, sha256."""
    return {
        name: result
        for name, result in results.items()
        if qualities[name].word == FAILED
        or (
            result.recipe in policy.holding
            and any((*name, file.sha256) not in published for file in result.files)
            and any(caveat.holds_back for caveat in qualities[name].caveats)
        )
    }


def _judged(result: Result, quality: Quality) -> JudgedResult:
    return JudgedResult(
        recipe=result.recipe,
        pipeline=result.pipeline,
        product=result.product,
        key=result.key,
        files=result.files,
        quality=quality,
        is_published=False,
    )


# ---- what the qualities are derived from -------------------------------------------------------


def _earlier(before: Sequence[Entry], results: Mapping[Name, Result]) -> tuple[ResultToJudge, ...]:
    """Return the published results that the run did not find under their keys."""
    rows = {(row.origin, row.key): row for row in before if row.key}
    return tuple(
        ResultToJudge(result, rows[name].context, rows[name].caveats)
        for result in result_rows(before)
        if (name := (result.recipe, result.key)) not in results
    )


def _archived(results: Sequence[Result], upstream: Sequence[Entry]) -> dict[str, str]:
    """Return the sha256 of MAST's files that have the names of results."""
    names = {file.filename for result in results for file in result.files}
    rows = upstream if names else ()
    return {entry.filename: entry.sha256 for entry in rows if entry.filename in names}


def _about_results(findings: Sequence[ReferenceFinding]) -> tuple[ReferenceFinding, ...]:
    """Return the findings that make results doubtful, in an order that depends on nothing else.

    A corrected mapping makes no result doubtful: the run has planned with it as it is now.
    """
    about = (each for each in findings if not (each.is_mapping and each.kind == "corrected"))
    alike = (replace(finding, is_new=False) for finding in about)
    return tuple(sorted(alike, key=lambda finding: (finding.name, finding.kind, finding.sha1)))
