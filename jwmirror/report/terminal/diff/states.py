"""The page on two states: generations, recipes, or MAST's files."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model import comparison as records
from jwmirror.core.model.history.causes import Cause, summed_up
from jwmirror.report import formatting
from jwmirror.report.formatting import section
from jwmirror.report.status import split_view_path
from jwmirror.report.terminal.status import FOLDERS

KINDS = ("new", "changed", "marked", "gone")
EQUAL_CONTENT = "equal science content: only dates, names and the like differ"
FILE_REASONS = 3  # of one file, where no causes are known


def state_page(
    difference: records.StateDifference, all_lines: bool = False, verbose: bool = False
) -> RenderableType:
    """Return the files of each kind of change: counts, causes, and each file; `verbose`: hashes.

    Causes are numbered, and each file has the numbers of its causes.
    """
    files, titles = difference.files, _titles(difference.old, difference.new)
    kinds = Counter(change.kind for change in files)
    same = sum(change.same_science for change in files)
    notes = {"changed": f" ({same:,} of them with {EQUAL_CONTENT})" if same else ""}
    totals = ", ".join(
        f"{kinds[kind]:,} {titles[kind]}{notes.get(kind, '')}" for kind in KINDS if kinds[kind]
    )
    head = f"{difference.mirror}: {sides_of(difference.old, difference.new)}: "
    numbers: dict[str, list[int]] = {}
    parts: list[RenderableType] = [Text(head + (totals or "no difference"), style="bold")]
    if files:
        parts.append(_count_table(files, titles, all_lines))
        causes = summed_up(difference.causes, with_paths=True)
        words = [f"[{number}] {cause}" for number, cause in enumerate(causes, 1)]
        title = f"Causes{way_of(difference.old, difference.new)}"
        parts += section(title, words or _shared_reasons(files, verbose), all_lines)
        numbers = _numbers(causes)
    for kind in ("changed", "marked", "new", "gone"):
        lines = [_file_line(each, numbers, verbose) for each in files if each.kind == kind]
        parts += section(titles[kind][:1].upper() + titles[kind][1:], lines, all_lines)
    return Group(*parts)


def _titles(old: records.Side, new: records.Side) -> dict[str, str]:
    """Return the kinds of differences in words: two recipes differ, and nothing has changed."""
    if old.origin == new.origin:
        return {kind: formatting.KINDS.get(kind, kind) for kind in KINDS}
    return {
        "new": f"only {_of(new)}",
        "changed": "differ",
        "marked": formatting.KINDS["marked"],
        "gone": f"only {_of(old)}",
    }


def _of(side: records.Side) -> str:
    return "of MAST" if side.origin == UPSTREAM else f"of {side.origin}"


def sides_of(old: records.Side, new: records.Side) -> str:
    """Return two sides in words: generation 1 -> generation 2."""
    names = (
        f"generation {side.generation}{f' {side.origin}' if side.origin else ''}"
        for side in (old, new)
    )
    return " -> ".join(names)


def way_of(old: records.Side, new: records.Side) -> str:
    """Return between which generations causes are, if the later one is the first side."""
    if old.generation <= new.generation:
        return ""
    return f" of what happened from generation {new.generation} to {old.generation}"


def _count_table(
    files: Sequence[records.FileChange], titles: Mapping[str, str], all_lines: bool
) -> Table:
    """Return counts by program, observation, origin and suffix; without observation if too long."""
    kinds = [kind for kind in KINDS if any(change.kind == kind for change in files)]
    columns = ("program", "observation", "origin", "suffix")
    table = Table(*columns, *(titles[kind] for kind in kinds), box=None)
    locations = [split_view_path(_path(change)) for change in files]
    brief = len({location[:3] for location in locations}) > FOLDERS and not all_lines
    counts: dict[tuple[str, str, str, str], Counter[str]] = {}
    for change, (origin, program, observation, suffix) in zip(files, locations, strict=True):
        row = (program, "all" if brief else observation, origin, suffix)
        counts.setdefault(row, Counter())[change.kind] += 1
    for row in sorted(counts):
        numbers = (counts[row][kind] for kind in kinds)
        table.add_row(*row, *(f"{number:,}" if number else "" for number in numbers))
    return table


def _numbers(causes: Sequence[Cause]) -> dict[str, list[int]]:
    """Return the numbers of the causes of each file, by its path."""
    numbers: dict[str, list[int]] = {}
    for number, cause in enumerate(causes, 1):
        for path in cause.paths:
            numbers.setdefault(path, []).append(number)
    return numbers


def _shared_reasons(files: Sequence[records.FileChange], verbose: bool) -> list[str]:
    """Return each reason that several changed files share and their number, most frequent first."""
    changed = [change for change in files if change.kind == "changed"]
    reasons = (reason for change in changed for reason in change.reasons if reason.what != "DATE")
    counts = Counter(reason.with_hashes if verbose else str(reason) for reason in reasons)
    return [
        f"{reason}  ({count:,} of {len(changed):,})"
        for reason, count in counts.most_common()
        if count > 1
    ]


def _file_line(
    change: records.FileChange, numbers: Mapping[str, Sequence[int]], verbose: bool
) -> str:
    """Return a file with the numbers of its causes; without causes, with what differs."""
    notes = [", ".join(map(str, numbers.get(_path(change), ())))]
    notes += ["equal science content"] if change.same_science else []
    if verbose:
        notes += [reason.with_hashes for reason in change.reasons]
    elif not notes[0]:
        reasons = [reason for reason in change.reasons if reason.what != "DATE"] or change.reasons
        notes += map(formatting.reason_text, reasons[:FILE_REASONS])
        more = len(reasons) - FILE_REASONS
        notes += [f"and {more} more (--verbose)"] if more > 0 else []
    said = "; ".join(filter(None, notes))
    return f"{_path(change)}{f'  [{said}]' if said else ''}"


def _path(change: records.FileChange) -> str:
    entry = change.new or change.old
    return entry.path if entry else ""
