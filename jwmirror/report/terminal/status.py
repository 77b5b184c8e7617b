"""The terminal's pages: status, log and explanations as tables of rich."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import UPSTREAM, Wait
from jwmirror.report import formatting
from jwmirror.report.status import INPUTS, FileCount, History, Outdated, Status

SIGNS = (
    "* current; + new, ~ changed, - gone; marked: same bytes, other facts, such as vanished at MAST"
)
SHOWN = 20  # lines of a list, unless all are asked for
FOLDERS = 60  # shown one by one, unless all are asked for


def status_page(status: Status, all_lines: bool = False) -> RenderableType:
    """What is held, what the last poll found, what is out of date, what waits, what failed."""
    if status.generation is None and status.run is None:
        return _nothing_yet(status)
    lists = {
        "Selected, but MAST has none": list(status.unmatched),
        "Only this was polled, as events named it; the next poll is of all": [
            f"program {scope.program}: {', '.join(scope.observations) or 'all observations'}"
            for scope in status.limited_to
        ],
        "Polled for the first time": [
            f"program {each.program}: {formatting.count(each.products, 'product')}"
            for each in status.first_polls
        ],
        "Changed at the last poll": [
            f"{each.kind}  {each.file}{_aside('; '.join(each.reasons))}" for each in status.changes
        ],
        "Half updated at MAST; what is published stays": [
            f"{each.product}  since {formatting.minute(each.since)}{_aside(each.why)}"
            for each in status.settling
        ],
        "Members that MAST does not list": [
            f"{each.association}: {', '.join(each.absent)}" for each in status.incomplete
        ],
    }
    listed = _lists(lists, _limit(all_lines))
    return Group(
        _headline(status), held_table(status, all_lines), *listed, plan_page(status, all_lines)
    )


def plan_page(status: Status, all_lines: bool = False) -> RenderableType:
    """What is out of date and why, what waits, what is not known, what failed."""
    if status.run is None:
        return _nothing_yet(status)
    lists = {
        "Out of date": [_outdated(each) for each in status.out_of_date],
        "Waiting": _waiting(status.waits, all_lines),
        "Not known before the next run": _waiting(status.unknown, all_lines),
        "Failed": [f"{each.name}{_aside(each.message)}" for each in status.failures],
        "To know": list(status.notes),
    }
    limit = _limit(all_lines)
    return Group(*_causes(status, limit), *_work(status), *_lists(lists, limit), _summary(status))


def _work(status: Status) -> Iterator[Text]:
    """What the next run will have to compute, by pipeline, and what it finds made before."""
    compute = Counter(name for each in status.out_of_date for name in each.pipelines)
    ready = Counter(name for each in status.out_of_date for name in each.ready)
    for title, counts in (("To compute", compute), ("Made before, to publish", ready)):
        if counts:
            yield Text(f"{title}: {', '.join(f'{name} {n:,}' for name, n in counts.items())}")


def _outdated(each: Outdated) -> str:
    before = f"made before: {', '.join(each.ready)}" if each.ready else ""
    pipelines = "; ".join(filter(None, (", ".join(each.pipelines), before)))
    return f"{each.recipe}: {each.product} ({pipelines}){_aside('; '.join(each.reasons))}"


def _waiting(waits: Sequence[Wait], all_lines: bool) -> list[str]:
    """A line for each recipe and cause; for each exposure or association if all are asked for."""
    alike: dict[tuple[str, ...], list[Wait]] = {}
    for each in waits:
        key = (each.recipe, each.why, each.product if all_lines else "")
        alike.setdefault(key, []).append(each)
    return [
        f"{recipe}: {found[0].product}"
        f"{f' and {len(found) - 1} more' if len(found) > 1 else ''}{_aside(why)}"
        for (recipe, why, _), found in alike.items()
    ]


def _nothing_yet(status: Status) -> Text:
    if status.generation is None:
        return Text(f"{status.mirror}: nothing is mirrored yet; run `snakemake` to fill it.")
    return Text("\nNo run is on record, so nothing can be told of the next; run `snakemake`.")


def _limit(all_lines: bool) -> int | None:
    return None if all_lines else SHOWN


def _causes(status: Status, limit: int | None) -> Iterator[Text]:
    """Per recipe, how much is out of date, and each cause with how often it occurs."""
    recipes: dict[str, list[Outdated]] = {}
    for each in status.out_of_date:
        recipes.setdefault(each.recipe, []).append(each)
    for recipe, found in recipes.items():
        levels = Counter(each.level for each in found)
        counts = " and ".join(formatting.count(count, level) for level, count in levels.items())
        causes = Counter(reason for each in found for reason in each.reasons)
        del causes[INPUTS]
        head = f"\n{recipe}: {counts} out of date"
        if len(causes) == 1:
            yield Text(f"{head}: {next(iter(causes))}", style="bold")
        else:
            lines = [f"{reason}  ({count} of {len(found)})" for reason, count in causes.items()]
            yield Text(head, style="bold")
            yield from _cut(lines, limit)


def _headline(status: Status) -> Text:
    now = status.generation
    if now is None:
        return Text(f"{status.mirror}: no generation is published yet (last run {status.run})")
    totals = (
        f"{formatting.count(now.counts['files'], 'file')}, {formatting.size(now.counts['bytes'])}"
    )
    return Text.assemble(
        (f"{status.mirror}", "bold"),
        f": generation {now.number} of {formatting.minute(now.made_at)}, {totals}\n",
        (f"cause: {now.cause}; against its parent {formatting.change_counts(now.counts)}", "dim"),
        f"\nat work on it: {status.at_work}" if status.at_work else "",
    )


def held_table(status: Status, all_lines: bool = False) -> Table:
    """Files and bytes per program, observation and origin; long ones per program and origin."""
    table = Table("program", "observation", "origin", "files", "size", "by suffix", box=None)
    folders = {(each.program, each.observation, each.origin) for each in status.held}
    brief = len(folders) > FOLDERS and not all_lines
    rows: dict[tuple[str, str, str], list[FileCount]] = {}
    for each in status.held:
        observation = "all" if brief else each.observation
        rows.setdefault((each.program, observation, each.origin), []).append(each)
    for place in sorted(rows, key=lambda place: (*place[:2], place[2] != UPSTREAM, place[2])):
        table.add_row(*place, *_totals(rows[place]))
    return table


def _totals(kinds: list[FileCount]) -> tuple[str, str, str]:
    """Files, size, and files by suffix."""
    files: Counter[str] = Counter()
    for each in kinds:
        files[each.suffix] += each.files
    vanished = sum(each.vanished for each in kinds)
    by_suffix = ", ".join(f"{suffix} {files[suffix]:,}" for suffix in sorted(files))
    gone = f"; {vanished:,} vanished upstream" if vanished else ""
    return (
        f"{files.total():,}",
        formatting.size(sum(each.bytes for each in kinds)),
        by_suffix + gone,
    )


def _lists(lists: dict[str, list[str]], limit: int | None) -> Iterator[Text]:
    for title, lines in lists.items():
        if lines:
            yield Text(f"\n{title} ({len(lines)})", style="bold")
            yield from _cut(lines, limit)


def _cut(lines: list[str], limit: int | None) -> Iterator[Text]:
    yield from (Text(f"  {line}") for line in lines[:limit])
    if limit and len(lines) > limit:
        yield Text(f"  ... and {len(lines) - limit} more; --all lists them", style="dim")


def _summary(status: Status) -> Text:
    """Whether all is well, and what that was held to."""
    against = "the config as it is now" if status.previewed else "the config of the last run"
    if status.out_of_date or status.waits or status.unknown or status.failures:
        return Text(f"\nBy {against}; MAST and CRDS were not asked.", style="dim")
    return Text(f"\nEverything is up to date with {against}.", style="green")


def _aside(text: str) -> str:
    return f"  [{text}]" if text else ""


def log_page(history: History) -> RenderableType:
    """One line per generation, newest first; those that led nowhere are dim."""
    if not history.generations:
        return Text(f"{history.mirror}: no generation is published yet.")
    table = Table("", "generation", "time", "files", "size", "changed", "cause", box=None)
    for each in history.generations:
        table.add_row(
            "*" if each.number == history.current else "",
            str(each.number),
            formatting.minute(each.made_at),
            f"{each.counts['files']:,}",
            formatting.size(each.counts["bytes"]),
            formatting.change_counts(each.counts),
            escape(f"{_standing(history, each.number)}{each.cause}"),
            style="" if each.number in history.line else "dim",
        )
    return Group(table, Text(SIGNS, style="dim"))


def _standing(history: History, number: int) -> str:
    """What is to know of a generation before its cause: its names, and whether it was pruned."""
    told = [*history.names.get(str(number), ()), *(["pruned"] if number in history.pruned else [])]
    return f"({', '.join(told)}) " if told else ""
