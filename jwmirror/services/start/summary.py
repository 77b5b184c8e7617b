"""The end of a run in a few lines: what it published and why, what waits, where to look."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from jwmirror.core.errors import as_typed, did_you_mean
from jwmirror.core.model.history.reasons import traced_reasons, words_of
from jwmirror.core.model.quality import CAVEAT, FAILED, JudgedResult
from jwmirror.core.model.run import Run, RunMessage
from jwmirror.report.formatting import count, size
from jwmirror.report.quality import count_qualities, doubt_line, doubtful_results, is_accepted
from jwmirror.services.inspect.failures import list_failures
from jwmirror.store.generations import Generations
from jwmirror.store.pins import read_hold
from jwmirror.store.runs import RunFiles, last_run, read_if_written, read_run

REASONS = 3  # shown, the most frequent ones
NAMED = 3  # results, waits
LONGEST = 160  # characters of one of them
ERROR = re.compile(r"(?:\S*: )?error: ", re.IGNORECASE)  # begins the last words of Snakemake
OPTION = re.compile(r"--[a-z][a-z-]+")
LAST_LINES = 5  # of a log


def summary_lines(mirror: Path, run: str, is_complete: bool) -> Iterator[str]:
    """Yield the summary of a run by its id. At most five lines if it changed nothing, six if held.

    `is_complete`: it ended without an error.
    """
    records = _records(mirror, run)
    if records is None:
        return
    is_new = bool(records.published and records.published.is_new)
    yield from _headline(mirror, records, is_complete)
    if is_new or not is_complete:
        yield from _fetched(records)
        yield from _recalibrated(records)
    yield from _qualities(mirror, records, is_new)
    yield from _waiting(records)
    page = read_if_written(RunFiles(_folder(mirror, records.id)).site, dict[str, str])
    if page and (path := mirror / page["page"]).exists():
        yield f"Site: {path}"


def _records(mirror: Path, run: str) -> Run | None:
    """Return the records of a run; if it changed nothing, those of the run that it confirms."""
    folder = _folder(mirror, run)
    return read_run(folder) if folder.is_dir() else last_run(mirror)


def _folder(mirror: Path, run: str) -> Path:
    return mirror / "receipts" / "runs" / run


def _headline(mirror: Path, records: Run, is_complete: bool) -> Iterator[str]:
    """Yield what became of the generation; of a new one, its first causes."""
    if records.published is None:
        yield "Nothing was published; the mirror shows what it showed before."
        return
    number = records.published.generation
    if records.published.is_new:
        causes = Generations(mirror).read(number).what_happened
        yield f"Generation {number} is new: {causes[0]}"
        yield from (f"  {_short(cause)}" for cause in causes[1:NAMED])
        if len(causes) > NAMED:
            yield f"  and {count(len(causes) - NAMED, 'other cause')}; {as_typed('log')} lists them"
    elif is_complete:
        yield f"Generation {number} is up to date: nothing changed since it was published."
    else:
        yield f"Generation {number} stays: nothing could be added to it."
    if hold := read_hold(mirror):
        yield f"Held: {hold.notice(Generations(mirror).require_current().number)}"


def _fetched(records: Run) -> Iterator[str]:
    """Yield what came from MAST, if anything did."""
    versions = [version for receipt in records.fetch_receipts for version in receipt.versions]
    if versions:
        bytes_ = sum(receipt.downloaded for receipt in records.fetch_receipts)
        kinds = {change.product.filename: change.kind for change in records.changes}
        counts = Counter(kinds.get(version.product.filename, "new") for version in versions)
        words = ", ".join(f"{number:,} {kind}" for kind, number in counts.most_common())
        yield f"Fetched: {count(len(versions), 'file')}, {size(bytes_)} ({words})"


def _recalibrated(records: Run) -> Iterator[str]:
    """Yield how many results were computed, by pipeline, and the most frequent reasons."""
    computed = set(records.computed_keys)
    if not computed:
        return
    results = (result for receipt in records.batch_receipts for result in receipt.results)
    pipelines = {result.key: result.pipeline for result in results if result.key in computed}
    counts = Counter(pipelines.values())
    words = ", ".join(f"{number:,} {pipeline}" for pipeline, number in counts.items())
    yield f"Recalibrated: {count(len(computed), 'result')} ({words})"
    traced = traced_reasons(records.chains).values()
    reasons = Counter(words for each in traced for words in set(map(words_of, each)))
    shown = [f"{words} ({number:,})" for words, number in reasons.most_common(REASONS)]
    more = [f"and {count(len(reasons) - REASONS, 'other reason')}"] * (len(reasons) > REASONS)
    yield f"  because: {'; '.join(map(_short, (*shown, *more)))}"


def _qualities(mirror: Path, records: Run, is_new: bool) -> Iterator[str]:
    """Yield the number of results by quality, and those to look at; one line if nothing is new."""
    rows = Generations(mirror).entries()
    columns = (rows.column(name) for name in ("origin", "key", "quality"))
    counts = count_qualities(zip(*columns, strict=True))
    doubtful = doubtful_results(rows.where("quality", CAVEAT), records.held_back)
    open_ones = [result for result in doubtful if not is_accepted(result.quality)]
    words = ", ".join(f"{number:,} {word}" for word, number in counts.items())
    held = f"; {len(records.held_back)} held back" if records.held_back else ""
    advice = f"; {as_typed('status')} lists those to look at" if open_ones else ""
    if words or held:
        yield f"Results: {words or 'none published'}{held}{advice}"
    if is_new:
        yield from _look_at(open_ones)


def _look_at(doubtful: Iterable[JudgedResult]) -> Iterator[str]:
    """Yield the first of the results to look at."""
    worst = sorted(doubtful, key=lambda result: result.quality.word != FAILED)
    yield from (f"  {_short(doubt_line(result))}" for result in worst[:NAMED])


def _waiting(records: Run) -> Iterator[str]:
    """Yield in one line what is not there yet: at MAST, withheld, refused, or waiting here."""
    parts = {
        "withheld by MAST": len(records.withheld),
        "refused": len(records.still_refused),
        "waiting to be calibrated": len(records.waits),
        "partly reprocessed at MAST": len(records.settling.unsettled) if records.settling else 0,
        "selected in the config, but not found at MAST": len(records.poll.unmatched)
        if records.poll
        else 0,
    }
    words = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)
    if words:
        named = [_short(f"{wait.product}: {wait.why}") for wait in records.waits[:1]]
        yield f"Waiting: {'; for example '.join([words, *named])}; {as_typed('status')} says more"


def ended_early(begun: RunMessage | None, code: int, log: Path) -> RunMessage:
    """Return why a run ended that sent no reason: by its failed jobs, or the end of its log."""
    failures = list_failures(Path(begun.mirror)).failures if begun else ()
    details = [_short(f"{failure.name}: {failure.why}") for failure in failures[:NAMED]]
    if not details:
        details = _last_words(log.read_text(errors="replace"))
    when = "" if begun else " before the run began"
    more = f"{as_typed('failures')} says more" if failures else f"its output is in {log}"
    text = f"Snakemake ended with exit code {code}{when}; {more}"
    return RunMessage(kind="error", text=text, details=tuple(details))


def _last_words(text: str) -> list[str]:
    """Return the end of what Snakemake printed: its error, without the list of its options."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [place for place, line in enumerate(lines) if ERROR.match(line)]
    if not errors:
        return lines[-LAST_LINES:]
    words = [ERROR.sub("", line, 1) for line in lines[errors[-1] :]][:LAST_LINES]
    *_, last = words[0].split()
    near = did_you_mean(last, {*OPTION.findall(text)} - {last}) if last.startswith("--") else ""
    return [f"{words[0]}{near}", *words[1:]]


def _short(text: str) -> str:
    """Return a text as one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
