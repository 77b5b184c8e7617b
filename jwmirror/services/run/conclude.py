"""Conclude a run: sum up what was published, what to look at, and what failed."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.archive.evidence.record import changed_etags, read_answers
from jwmirror.core.errors import NEW_TOKEN, as_typed
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Failure
from jwmirror.core.model.plan import Published, ReferenceFinding
from jwmirror.core.model.quality import CAVEAT, JudgedResult
from jwmirror.core.model.run import Confirmation, Run, RunMessage
from jwmirror.core.printing import printable
from jwmirror.crds.affected import reference_notices
from jwmirror.net.resume_record import kind_of_etag
from jwmirror.report.quality import doubt_line, doubtful_results, is_accepted, next_step
from jwmirror.services.kept.conditions import RunConditions
from jwmirror.services.kept.unchanged_run import remember_run
from jwmirror.services.run.results import record_stage_times
from jwmirror.store.generations import Generations
from jwmirror.store.pins import read_hold
from jwmirror.store.runs import read_run

SHOWN = 10  # results at the end of a run, and failures with one message


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The end of a run in words, its failures, and the results with caveats."""

    summary: str
    failures: tuple[Failure, ...]
    doubtful: tuple[JudgedResult, ...] = ()  # caveats that are not accepted, and what failed
    is_strict: bool = False  # `strict` in the config

    @property
    def error(self) -> str:
        """Name what ends the run with an error, one line for each message; "" if nothing does."""
        return "\n".join((*self._failed(), *self._doubts()))

    @property
    def message(self) -> RunMessage:
        """The error for `jwmirror run`: one sentence, and a line for each message."""
        parts = [iter(self._failed()), iter(self._doubts())]
        heads = [head.removesuffix(":") for part in parts if (head := next(part, ""))]
        return RunMessage(
            kind="error",
            text="; ".join(heads),
            details=tuple(line for part in parts for line in part),
        )

    def _failed(self) -> Iterator[str]:
        if self.failures:
            head = f"{len(self.failures)} failed; all else is done and published"
            yield f"{head} (more: {as_typed('failures')}):"
            messages = ((f.message.removeprefix(f"{f.name}: "), f.name) for f in self.failures)
            for message, same in group_by(messages, lambda pair: pair[0]).items():
                names = ", ".join(name for _, name in same[:SHOWN])
                more = f" and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
                yield f"{names}{more}: {printable(message)}"
            if len(self.failures) > SHOWN:
                yield f"{as_typed('failures --all')} lists them"

    def _doubts(self) -> Iterator[str]:
        if self.is_strict and self.doubtful:
            yield (
                f"not sound, although `strict` is set in the config ({len(self.doubtful)}); "
                f"{next_step()}:"
            )
            yield from map(doubt_line, self.doubtful)


def conclude_run(
    *,
    mirror: Path,
    run: Path,
    published: Published,
    page: str,
    strict: bool = False,
    conditions: RunConditions | None = None,
) -> Conclusion:
    """Sum up a run by the records in its folder; `page` is the site's, relative to the mirror.

    With `strict`, caveats that are not accepted are an error. The mirror keeps how long the stages
    took, and, without an error, the `conditions` with which a later run changes nothing.
    """
    records = replace(read_run(run), published=published)
    with suppress(OSError):  # estimates alone need it
        record_stage_times(mirror, records.computed_keys)
    conclusion = _conclusion(mirror, records, page, strict)
    if conditions and not conclusion.error:
        again = records.confirmed_by(Confirmation(at="", runs=0))
        end = _conclusion(mirror, again, page, strict).summary
        remember_run(mirror, run, records, conditions.parts, end)
    return conclusion


def _conclusion(mirror: Path, records: Run, page: str, strict: bool) -> Conclusion:
    generation, state = 0, "is unchanged"
    if records.published:
        generation = records.published.generation
        if records.published.is_new:
            state = f"is new: {Generations(mirror).read(generation).cause}"
    doubtful, hold = _doubtful(mirror, records), read_hold(mirror)
    lines = (
        f"{mirror}{'' if hold else '/current'}: generation {generation} {state}; {mirror}/{page}",
        *([printable(hold.notice(_current(mirror)))] if hold else []),
        *_unmatched_lines(records),
        *(f"Without effect: {note}" for note in records.plan_notes),
        *map(str, records.still_refused),
        *_token_lines(records),
        *_withheld_lines(records),
        *_other_answers(mirror, records),
        *_reference_lines(mirror, records.new_findings),
        *_slice_lines(records),
        *_look_at(doubtful),
    )
    return Conclusion(
        summary="\n".join(lines),
        failures=records.failures,
        doubtful=doubtful,
        is_strict=strict,
    )


def _current(mirror: Path) -> int:
    """Return the number of the current generation."""
    return Generations(mirror).require_current().number


def _other_answers(mirror: Path, records: Run) -> Iterator[str]:
    """Yield where MAST answered otherwise than to `jwmirror doctor`, in the poll and since."""
    others = records.poll.other_answers if records.poll else ()
    etags = {v.etag for receipt in records.fetch_receipts for v in receipt.versions if v.etag}
    of_files = changed_etags(read_answers(mirror), map(kind_of_etag, etags))
    yield from dict.fromkeys((*others, *of_files))


def _doubtful(mirror: Path, records: Run) -> tuple[JudgedResult, ...]:
    """Return the results with caveats that are not accepted, and those that failed."""
    rows = Generations(mirror).entries().where("quality", CAVEAT)
    results = doubtful_results(rows, records.held_back)
    return tuple(result for result in results if not is_accepted(result.quality))


def _unmatched_lines(records: Run) -> Iterator[str]:
    """Yield the criteria of `programs` that no product at MAST meets, if there are any."""
    unmatched = records.poll.unmatched if records.poll else ()
    yield from _first_of(
        unmatched,
        f"Selected in the config, but MAST lists no such product ({len(unmatched)}); nothing was "
        "mirrored for it; correct `programs`, or wait until MAST lists it:",
    )


def _first_of(items: Sequence[str], heading: str) -> Iterator[str]:
    """Yield the first of some items below a heading, and how many others there are."""
    if items:
        yield heading
        yield from (f"  {item}" for item in items[:SHOWN])
    if len(items) > SHOWN:
        yield f"  ... and {len(items) - SHOWN} more; {as_typed('status --all')} lists them"


def _token_lines(records: Run) -> Iterator[str]:
    """Yield that MAST rejected the token, and what to do, if it did."""
    if records.poll and (variable := records.poll.rejected_token):
        yield (
            f"MAST does not accept the token in {variable}; exclusive files of the mirror stay as "
            f"they are, and new ones are not downloaded; make a new token at {NEW_TOKEN}, put it "
            f"into {variable}, and run again"
        )


def _withheld_lines(records: Run) -> Iterator[str]:
    """Yield which files MAST withholds, if it does."""
    if names := records.withheld:
        listed = ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)
        yield (
            f"Withheld by MAST ({len(names)}; it gives them only with a token that covers them; "
            f"{as_typed('status')} says until when): {listed}"
        )


def _slice_lines(records: Run) -> Iterator[str]:
    """Yield which mosaics wait for stars of Gaia, and which stored stars could not be renewed."""
    waits = [wait for plan in records.plans for wait in plan.waits if wait.cause == "catalogue"]
    yield from _first_of(
        [f"{wait.recipe}/{wait.product}: {wait.why}" for wait in waits],
        f"Waiting for stars of Gaia ({len(waits)}); the next run asks again, or set abs_refcat to "
        "a catalogue file:",
    )
    yield from records.references.gaia.notes if records.references else ()


def _look_at(doubtful: tuple[JudgedResult, ...]) -> Iterator[str]:
    """Yield the results to look at first, if there are any."""
    heading = f"Look at these first ({len(doubtful)}); {next_step()}:"
    yield from _first_of([doubt_line(result) for result in doubtful], heading)


def _reference_lines(mirror: Path, findings: Sequence[ReferenceFinding]) -> Iterator[str]:
    """Yield a line for each finding about a reference, and for each result that it is about."""
    for notice in reference_notices(mirror, findings):
        yield f"{notice.kind} {notice.file}: {notice.message}"
        for result in notice.results[:SHOWN]:
            numbers = ", ".join(map(str, result.generations))
            yield f"  made with it: {result.recipe}: {result.result} (generations {numbers})"
        if len(notice.results) > SHOWN:
            more = len(notice.results) - SHOWN
            yield f"  ... and {more} more; {as_typed('status --all')} lists them"
