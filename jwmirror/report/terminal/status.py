"""Terminal pages of `jwmirror status`, `plan` and `log`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.core.errors import as_typed, command_to_run
from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM, Wait
from jwmirror.core.model.product import IN_WORDS, WITHHELD
from jwmirror.core.model.run import RunEstimate, failed_listing
from jwmirror.core.model.stored import Generation
from jwmirror.core.printing import duration, printable
from jwmirror.report import formatting
from jwmirror.report.formatting import section, shortened
from jwmirror.report.history import History
from jwmirror.report.quality import doubt_line, next_step
from jwmirror.report.status import (
    ChangeNotice,
    FileCount,
    OutdatedProduct,
    ReferenceNotice,
    Status,
    list_of,
)
from jwmirror.report.terminal.last_poll import troubles
from jwmirror.report.terminal.references import affected_lines
from jwmirror.report.terminal.running import running_section

LEGEND = (
    "* current generation\n"
    "+ new   ~ changed   - gone\n"
    "= the file is the same; what jwmirror knows about it changed (see `jwmirror diff`)"
)
CAUSES = 12  # of a generation that are shown
FOLDERS = 60  # shown one by one, unless the user wants all
UNDONE = "Undone by the rollback; the next run publishes it again, if it is asked for"
HELD_BACK = "Not shown while the view is held"
OFFLINE = "This command did not ask MAST or CRDS."


def status_page(status: Status, all_lines: bool = False) -> RenderableType:
    """Return files, what the last poll found, what is out of date, what waits, what failed."""
    if status.generation is None and status.run is None:
        return _nothing_yet(status)
    lists = {
        "Exclusive data": list(map(str, status.exclusive)),
        "Selected, but not found at MAST": list(status.unmatched),
        "Found by searches at the last poll": list(status.last_poll.searches),
        "The last poll was limited to these, which events named; the next one is complete": [
            f"program {scope.program}: {', '.join(scope.observations) or 'all observations'}"
            for scope in status.limited_to
        ],
        "Polled for the first time": [
            f"program {first.program}: {formatting.count(first.products, 'product')}"
            for first in status.first_polls
        ],
        (HELD_BACK if status.hold else UNDONE): list(status.undone),
        **_change_lists(status.changes),
        "References that CRDS has corrected or retracted, or that cannot be verified": list(
            _reference_lines(status.references)
        ),
        "Partly reprocessed at MAST; the published files stay until the rest arrives": [
            f"{half.product}  since {formatting.minute(half.since)}{_bracketed(half.why)}"
            for half in status.settling
        ],
        "Kept, no longer selected": list(_deselected_lines(status.held)),
        "Members that MAST does not list": [
            f"{incomplete.association}: {', '.join(incomplete.absent)}"
            for incomplete in status.incomplete
        ],
    }
    return Group(
        *troubles(status, all_lines),
        _headline(status),
        *_running(status),
        *_cause_and_undecided(status),
        file_table(status, all_lines),
        *_qualities(status, all_lines),
        *_sections(lists, all_lines),
        *_plan(status, all_lines, OFFLINE),
    )


def _change_lists(notices: Sequence[ChangeNotice]) -> dict[str, list[str]]:
    """Return what is new at MAST, what was reported before, and what is withheld, by title."""
    news, known, withheld = (
        [_change_line(each) for each in notices if list_of(each) == kind]
        for kind in ("news", "known", WITHHELD)
    )
    return {
        "Changed at the last poll": news,
        "Changed before the last poll, and reported before": known,
        "Withheld by MAST": withheld,
    }


def _change_line(notice: ChangeNotice) -> str:
    since = f"  since {formatting.minute(notice.since)}" if notice.since else ""
    waits = ["waits for the rest of its association"] if notice.waits else []
    kind = "" if notice.kind == WITHHELD else f"{IN_WORDS.get(notice.kind, notice.kind)}  "
    return f"{kind}{notice.file}{since}{_bracketed('; '.join([*notice.reasons, *waits]))}"


def _reference_lines(references: Iterable[ReferenceNotice]) -> Iterator[str]:
    """Yield what CRDS says about each reference, and what was made with it."""
    for notice in references:
        yield f"{notice.kind}  {notice.file}  [{notice.message}]"
        yield from (f"  made with it: {each}" for each in affected_lines(notice.results))


def _cause_and_undecided(status: Status) -> Iterator[Text]:
    """Yield what happened, and how many files may have changed without a sign of it."""
    if status.generation:
        yield _what_happened(status.generation)
    number, since = status.undecided.files, status.undecided.since
    if number:
        files = formatting.count(number, "file")
        yield Text(
            f"undecided: MAST lists no checksum of {files}, so that a change may show no sign; "
            f"not compared since {formatting.minute(since)}. To read files again "
            "in each run, set archive.recheck_gb_per_run in the config",
            "dim",
        )


def _qualities(status: Status, all_lines: bool) -> Iterator[Text]:
    """Yield how many results have which quality, and which to look at first."""
    if status.qualities:
        counts = ", ".join(f"{number:,} {word}" for word, number in status.qualities.items())
        total = sum(status.qualities.values())
        calls = f"{total:,} pipeline call{'' if total == 1 else 's'}"
        yield Text(f"\nPublished are the results of {calls}. Their quality: {counts}")
    if status.look_at:
        lines = [doubt_line(result) for result in status.look_at]
        yield from section("Look at these first", lines, all_lines)
        yield Text(f"  {next_step()}", style="dim")


def plan_page(
    status: Status, all_lines: bool = False, is_crds_asked: bool = False
) -> RenderableType:
    """Return what is out of date and why, what waits, what is unknown, and what failed."""
    if status.generation is None and status.run is None:
        return _nothing_yet(status)
    asked = (
        "This command asked CRDS, but not MAST."
        if is_crds_asked
        else f"{OFFLINE} (--context asks CRDS.)"
    )
    page = (_headline(status), *_running(status), *_plan(status, all_lines, asked))
    return Group(*troubles(status, all_lines), *page)


def _plan(status: Status, all_lines: bool, asked: str) -> Iterator[Text]:
    if status.run is None:
        yield Text(f"\nThe next run is unknown, for want of a last one; run {command_to_run()}.")
        return
    lists = {
        "Out of date": [_outdated_line(outdated) for outdated in status.out_of_date],
        "Waiting": _wait_lines(status.waits, all_lines),
        "Unknown until the next run": _wait_lines(status.unknown, all_lines),
        "Failed": [
            f"{failure.name}{_bracketed(failure.message.removeprefix(f'{failure.name}: '))}"
            for failure in status.failures
            if failure
            not in map(failed_listing, status.last_poll.doubts)  # with which the page begins
        ],
        "Where-blocks that are not applied, because not all science members meet them": [
            f"{match.recipe}: where {match.match}: {match.why}" for match in status.partial_matches
        ],
        "Excluded by recipes": [
            f"{files.recipe}: {files.product}: {files.why}" for files in status.excluded
        ],
        "Larger than any partition; tried with the most that one gives": list(
            status.estimate.too_large if status.estimate else ()
        ),
        "Notes": [*status.notes, *_other_versions(status)],
    }
    yield from _causes(status, all_lines)
    yield from _work(status)
    yield from _sections(lists, all_lines)
    yield _summary(status, asked)


def _nothing_yet(state: Status | History) -> Text:
    folder = printable(str(Path(state.mirror).resolve()))
    return Text(f"{folder} holds no mirror yet; {command_to_run()} makes and fills it.")


def _sections(lists: dict[str, list[str]], all_lines: bool) -> Iterator[Text]:
    for title, lines in lists.items():
        yield from section(title, lines, all_lines)


def _bracketed(text: str) -> str:
    return f"  [{text}]" if text else ""


def _headline(status: Status) -> Text:
    """Return the mirror, its current generation, and who uses it now."""
    generation, asked_at = status.generation, status.last_poll.asked_at
    if generation is None:
        return Text(f"{status.mirror}: no generation is published yet (last run {status.run})")
    files = formatting.count(generation.counts["files"], "file")
    totals = f"{files}, {formatting.size(generation.counts['bytes'])}"
    return Text.assemble(
        (f"{status.mirror}", "bold"),
        f": generation {generation.number} of {formatting.minute(generation.made_at)}, {totals}",
        f"\nMAST answered last: {formatting.minute(asked_at)}" if asked_at else "",
        f"\nin use by: {status.at_work}" if status.at_work and not status.running else "",
        f"\nheld: {status.hold.notice(generation.number)}" if status.hold else "",
        f"\n{status.growth}" if status.growth else "",
    )


def _running(status: Status) -> Iterator[Text]:
    """Yield how far the run is that goes on, if one does."""
    if status.running:
        yield from running_section(status.running)


def _what_happened(generation: Generation) -> Text:
    """Return the causes of a generation, and how many files differ from its parent."""
    kinds = {kind: generation.counts.get(kind, 0) for kind in ("new", "changed", "marked", "gone")}
    changes = ", ".join(
        f"{number:,} {formatting.KINDS.get(kind, kind)}" for kind, number in kinds.items() if number
    )
    parent = f"generation {generation.parent}" if generation.parent else "an empty mirror"
    head = f"compared with {parent}: {changes or 'no change'}"
    return Text(f"{head}\n{_lines(generation.what_happened, '  ')}".rstrip(), "dim")


def _lines(causes: Sequence[str], indent: str = "") -> str:
    """Return the first causes, one a line."""
    more = [f"... and {len(causes) - CAUSES:,} more"] if len(causes) > CAUSES else []
    return "\n".join(f"{indent}{line}" for line in (*causes[:CAUSES], *more))


def file_table(status: Status, all_lines: bool = False) -> Table:
    """Return files and bytes by program, observation and origin; if too long, all observations."""
    table = Table("program", "observation", "origin", "files", "size", "by suffix", box=None)
    folders = {(count.program, count.observation, count.origin) for count in status.held}
    brief = len(folders) > FOLDERS and not all_lines
    rows = group_by(
        status.held,
        lambda count: (count.program, "all" if brief else count.observation, count.origin),
    )
    for row in sorted(rows, key=lambda row: (*row[:2], row[2] != UPSTREAM, row[2])):
        table.add_row(*row, *_totals(rows[row]))
    return table


def _totals(counts: list[FileCount]) -> tuple[str, str, str]:
    """Return number of files, size, and numbers by suffix."""
    files, vanished = Counter[str](), Counter[str]()
    for count in counts:
        files[count.suffix] += count.files
        vanished[count.suffix] += count.vanished
    by_suffix, gone = (
        ", ".join(f"{suffix} {number:,}" for suffix, number in sorted(numbers.items()) if number)
        for numbers in (files, vanished)
    )
    if gone:
        by_suffix += f" (no longer listed at MAST: {gone})"
    return f"{files.total():,}", formatting.size(sum(count.bytes for count in counts)), by_suffix


def _deselected_lines(counts: Sequence[FileCount]) -> Iterator[str]:
    """Yield per observation and origin how many files are not selected any more."""
    kept = [count for count in counts if count.deselected]
    by_folder = group_by(kept, lambda count: (count.program, count.observation, count.origin))
    for folder, files in by_folder.items():
        number = formatting.count(sum(count.deselected for count in files), "file")
        checked = min(count.last_checked for count in files)[:10]
        yield f"{' '.join(folder)}: {number}, last checked on {checked}"


def _causes(status: Status, all_lines: bool) -> Iterator[Text]:
    """Yield per recipe how much is out of date, and each cause with how often it occurs."""
    recipes = group_by(status.out_of_date, lambda outdated: outdated.recipe)
    for recipe, products in recipes.items():
        levels = Counter(outdated.level for outdated in products)
        counts = " and ".join(formatting.count(count, level) for level, count in levels.items())
        causes = Counter(reason for outdated in products for reason in outdated.reasons)
        head = f"\n{recipe}: {counts} out of date"
        if len(causes) == 1:
            yield Text(f"{head}: {next(iter(causes))}", style="bold")
        else:
            yield Text(head, style="bold")
            total = len(products)
            lines = [f"  {cause}  ({count} of {total})" for cause, count in causes.items()]
            yield from shortened(lines, all_lines)


def _work(status: Status) -> Iterator[Text]:
    """Yield what the next run will compute, by pipeline, and what it will only publish."""
    compute = Counter(name for outdated in status.out_of_date for name in outdated.pipelines)
    publish = Counter(name for outdated in status.out_of_date for name in outdated.ready)
    for title, counts in (("To compute", compute), ("Already computed, to publish", publish)):
        if counts:
            yield Text(f"{title}: {', '.join(f'{n:,} {name}' for name, n in counts.items())}")
    if status.estimate:
        yield from map(Text, _estimate_lines(status.estimate))


def _estimate_lines(estimate: RunEstimate) -> Iterator[str]:
    """Yield what a run is expected to fetch and need."""
    if estimate.fetch:
        yield f"To fetch, as the last poll found: {formatting.size(estimate.fetch)}"
    if estimate.jobs:
        jobs, threads = (
            formatting.count(number, noun)
            for number, noun in ((estimate.jobs, "job"), (estimate.threads, "thread"))
        )
        memory, results = map(formatting.size, (estimate.memory, estimate.results))
        in_turn, at_once = map(duration, (estimate.seconds, estimate.seconds_at_once))
        by_order = f"{in_turn} with one job after the other, {at_once} with all of a level at once"
        time = in_turn if in_turn == at_once else by_order
        yield f"Estimated: {jobs} with up to {threads} and {memory}; {results} of results"
        yield f"Estimated time: {time}; {estimate.cpu_hours:.2g} CPU-hours"


def _outdated_line(outdated: OutdatedProduct) -> str:
    ready = f"already computed: {', '.join(outdated.ready)}" if outdated.ready else ""
    pipelines = "; ".join(filter(None, (", ".join(outdated.pipelines), ready)))
    reasons = _bracketed("; ".join(outdated.reasons))
    return f"{outdated.recipe}: {outdated.product} ({pipelines}){reasons}"


def _wait_lines(waits: Sequence[Wait], all_lines: bool) -> list[str]:
    """Return a line for each recipe and reason; with `all_lines` for each product."""
    groups = group_by(
        waits, lambda wait: (wait.recipe, wait.why, wait.product if all_lines else "")
    )
    return [
        f"{recipe}: {group[0].product}"
        f"{f' and {len(group) - 1} more' if len(group) > 1 else ''}{_bracketed(why)}"
        for (recipe, why, _), group in groups.items()
    ]


def _other_versions(status: Status) -> Iterator[str]:
    """Yield one line on results that were made with other versions than are installed."""
    if not status.other_versions:
        return
    versions = ", ".join(
        f"{other.recipe}: {other.name} {other.version} ({other.results:,}; now {other.installed})"
        for other in status.other_versions
    )
    yield (
        f"Results that were made with other versions than are installed: {versions}. They are not "
        f"out of date; {as_typed('explain FILE')} shows the versions of one, and "
        f"{as_typed('invalidate --software NAME=VERSION')} lets the next run compute them again."
    )


def _summary(status: Status, asked: str) -> Text:
    """Return whether a result is out of date, by which config, and what was not `asked`."""
    config = "the config" if status.previewed else "the config of the last run"
    to_do = status.out_of_date or status.waits or status.unknown or status.estimate
    if to_do or status.failures or status.last_poll.stops:
        return Text(f"\nCompared with {config}. {asked}", style="dim")
    notes = "; see the notes" if status.notes else ""
    when = (
        "Nothing needs to be recalibrated"
        if status.previewed
        else "With the config of the last run, there is nothing to recalibrate"
    )
    return Text(f"\n{when}{notes}. {asked}", style="green")


def log_page(history: History) -> RenderableType:
    """Return one line per generation, newest first; dim if not an ancestor of the current one."""
    if not history.generations:
        return _nothing_yet(history)
    table = Table("", "generation", "time", "files", "size", "changed", "what happened", box=None)
    for generation in history.generations:
        table.add_row(
            "*" if generation.number == history.current else "",
            str(generation.number),
            formatting.minute(generation.made_at),
            f"{generation.counts['files']:,}",
            formatting.size(generation.counts["bytes"]),
            formatting.change_signs(generation.counts),
            _remarks(history, generation.number) + _lines(generation.what_happened),
            style="" if generation.number in history.line else "dim",
        )
    held = [Text(f"held: {history.hold.notice(history.current or 0)}")] if history.hold else []
    return Group(table, Text(LEGEND, style="dim"), *held)


def _remarks(history: History, number: int) -> str:
    """Return the pins of a generation, and whether it was pruned."""
    pins = "".join(f"pin: {name}; " for name in history.names.get(str(number), ()))
    return f"{pins}{'pruned; ' if number in history.pruned else ''}"
