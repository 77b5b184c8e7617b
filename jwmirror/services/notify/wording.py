"""A summary of a run in words: a subject, and a few lines. Pure."""

from collections.abc import Iterator, Sequence

from jwmirror.core.errors import as_typed
from jwmirror.core.model.history.causes import noise_text
from jwmirror.core.model.history.run_summary import KINDS, FileAtMast, RunSummary
from jwmirror.core.printing import printable
from jwmirror.report.formatting import count

NAMED = 10  # items of a list
LONGEST = 300  # characters of a line
IN_WORDS = {
    "new": "new at MAST",
    "reprocessed": "reprocessed by MAST",
    "released": "released by MAST",
    "vanished": "no longer listed by MAST",
    "retracted": "what CRDS says about references",
    "failed": "failed",
    "caveats": "results to look at",
}


def subject_of(summary: RunSummary) -> str:
    """Return one line: the outcome, the generation, and how much of what."""
    numbers = (f"{summary.counts.get(name, 0):,} {name}" for name in IN_WORDS)
    counts = ", ".join(words for words in numbers if not words.startswith("0 "))
    if summary.outcome == "failed":
        state = "run failed" if not summary.is_new else f"run failed, generation {_number(summary)}"
    elif summary.is_new:
        state = f"generation {_number(summary)} is new"
    else:
        state = f"nothing changed, generation {_number(summary)}"
    return f"jwmirror: {state}{f' ({counts})' if counts else ''}"


def words_of_summary(summary: RunSummary) -> str:
    """Return lines on a summary, with the first items of each list."""
    return "\n".join(_short(line) for line in _lines(summary))


def _lines(summary: RunSummary) -> Iterator[str]:
    yield f"{summary.mirror}: {subject_of(summary).removeprefix('jwmirror: ')}"
    if summary.hold:
        yield f"The view is {summary.hold}; {as_typed('release')} ends that."
    yield from summary.causes
    for program, products in summary.first_polls.items():
        yield f"Program {program} was polled for the first time: {count(products, 'product')}"
    for kind in KINDS:
        changed: Sequence[FileAtMast] = getattr(summary, kind)
        yield from _listed(summary, kind, [f"{each.file}{_how(each)}" for each in changed])
    retracted = (f"{each.kind} {each.file}: {each.message}" for each in summary.retracted)
    yield from _listed(summary, "retracted", list(retracted))
    failed = (f"{each.name}: {each.why}" for each in summary.failed)
    yield from _listed(summary, "failed", list(failed))
    doubtful = (
        f"{each.recipe}: {each.product} ({each.pipeline}): {each.quality} "
        f"({', '.join(each.causes)}){'' if each.is_published else '; not published'}"
        for each in summary.caveats
    )
    yield from _listed(summary, "caveats", list(doubtful))
    if summary.left_out:
        yield f"Left out, because of exclusive files: {summary.left_out:,}"
    if summary.site:
        yield f"Site: {summary.site}"


def _listed(summary: RunSummary, name: str, items: Sequence[str]) -> Iterator[str]:
    """Yield a heading with the number of all items, and the first of them."""
    number = summary.counts.get(name, len(items))
    if number:
        yield f"{IN_WORDS[name].capitalize()} ({number:,}):"
        yield from (f"  {item}" for item in items[:NAMED])
    if number > NAMED:
        yield f"  and {number - NAMED:,} more"


def _how(changed: FileAtMast) -> str:
    """Return how a reprocessed file differs, or else the reasons of a change."""
    if changed.content:
        sigma = f" by {changed.sigma:.2g} sigma" if changed.sigma else ""
        return f": {', '.join([f'{changed.content}{sigma}', *noise_text(changed.noise)])}"
    return f": {'; '.join(changed.reasons)}" if changed.reasons else ""


def _number(summary: RunSummary) -> str:
    return str(summary.generation) if summary.generation else "none"


def _short(line: str) -> str:
    line = printable(line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
