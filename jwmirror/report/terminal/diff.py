"""Terminal pages of `jwmirror diff`: differences between two states, and within one file."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model import comparison as records
from jwmirror.core.model.history.causes import Cause, summed_up
from jwmirror.core.printing import percent
from jwmirror.report import formatting
from jwmirror.report.formatting import empty_table, section
from jwmirror.report.status import split_view_path
from jwmirror.report.terminal.status import FOLDERS

KINDS = ("new", "changed", "marked", "gone")
EQUAL_CONTENT = "equal science content: only dates, names and the like differ"
FILE_REASONS = 3  # of one file, where no causes are known
RATIOS = "|B-A|/ERR, percentiles 50 90 99"
COLOURS = {
    **dict.fromkeys((records.PIXELS, records.VALUES, records.MEMBERS, records.BYTES), "red"),
    records.HEADER: "yellow",
    **dict.fromkeys((records.EQUAL, records.IDENTICAL), "green"),
}


# ---- two states ------------------------------------------------------------------------------


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
    head = f"{difference.mirror}: {_sides(difference.old, difference.new)}: "
    numbers: dict[str, list[int]] = {}
    parts: list[RenderableType] = [Text(head + (totals or "no difference"), style="bold")]
    if files:
        parts.append(_count_table(files, titles, all_lines))
        causes = summed_up(difference.causes, with_paths=True)
        words = [f"[{number}] {cause}" for number, cause in enumerate(causes, 1)]
        title = f"Causes{_way(difference.old, difference.new)}"
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


def _sides(old: records.Side, new: records.Side) -> str:
    names = (
        f"generation {side.generation}{f' {side.origin}' if side.origin else ''}"
        for side in (old, new)
    )
    return " -> ".join(names)


def _way(old: records.Side, new: records.Side) -> str:
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


# ---- one file --------------------------------------------------------------------------------


def files_page(
    difference: records.FileDifferences, all_lines: bool = False, verbose: bool = False
) -> RenderableType:
    """Return the differences within each file of one name; `verbose`: hashes."""
    sides = _sides(difference.old, difference.new)
    way = _way(difference.old, difference.new)
    differ = difference.old.origin != difference.new.origin
    verb = "differ" if differ else "changed"
    pages = (_file_page(each, sides, way, verb, all_lines, verbose) for each in difference.files)
    return Group(*pages)


def _file_page(
    file: records.FileDifference, sides: str, way: str, verb: str, all_lines: bool, verbose: bool
) -> RenderableType:
    names = " -> ".join(dict.fromkeys(entry.path for entry in (file.old, file.new) if entry))
    if file.comparison is None:
        side = "first" if file.old else "second"
        only = Text(f"{names}: only on the {side} side ({sides})")
        return Group(only, *(Text(f"  {cause.words}") for cause in file.causes), Text())
    shown = file.comparison.pedigree  # from the headers, which have DATE to the millisecond
    made = [why for why in file.reasons if why not in shown and why.what != "DATE"]
    words = formatting.why_changed(file.causes, None, made, verbose)
    return Group(
        _verdict(file.comparison, verb),
        Text(f"{names}\n{sides}", style="dim"),
        *section(f"Made differently{way and f': causes{way}'}", words, all_lines),
        *_comparison(file.comparison, verb, all_lines),
        Text(),
    )


def _verdict(comparison: records.Comparison, verb: str) -> Text:
    """Return the kind of difference in words; `verb`: what pixels did, "changed" or "differ"."""
    words = comparison.verdict.replace("changed", verb)
    text = Text(words, style=f"bold {COLOURS[comparison.verdict]}")
    if comparison.verdict == records.EQUAL:
        only = ", ".join(comparison.volatile) or "the layout of the bytes"
        text.append(f" (only {only} differ{'' if ',' in only else 's'})")
    if comparison.verdict == records.BYTES:
        contents = (comparison.old, comparison.new)
        sizes = (formatting.size(content.size) for content in contents)
        text.append(f": {' -> '.join(sizes)}")
    return text


def _comparison(
    comparison: records.Comparison, verb: str, all_lines: bool
) -> Iterator[RenderableType]:
    """Yield each part of a comparison in which something differs."""
    titles = {"pedigree": "Dates and versions"}
    for name in ("pedigree", "references", "steps", "members", "layout"):
        reasons = getattr(comparison, name)
        yield from section(
            titles.get(name, name.capitalize()), [str(reason) for reason in reasons], all_lines
        )
    if comparison.shift:
        lines = [_sky_line(comparison.shift)]
        yield from section("Sky under SCI", lines, all_lines, show_count=False)
    if comparison.images:
        yield _image_table(comparison.images, verb)
    if flags := [(image.hdu, flag) for image in comparison.images for flag in image.bits]:
        yield _flag_table(flags)
    yield from map(_column_table, comparison.tables)
    cards = [str(reason) for reason in comparison.cards]
    yield from section("Other cards and keys", cards, all_lines)
    branches = [
        f"{branch.name}  ({formatting.count(branch.values, 'value')})" for branch in comparison.tree
    ]
    yield from section("ASDF tree", branches, all_lines)


def _sky_line(shift: records.SkyShift) -> str:
    corners = ", ".join(f"{distance:.3g}" for distance in shift.corners)
    return (
        f"centre {shift.centre:.3g} mas ({shift.east:+.3g} east, {shift.north:+.3g} north), "
        f"corners {corners} mas, by {shift.source}"
    )


def _image_table(images: Sequence[records.ImageDifference], verb: str) -> Table:
    columns = ("HDU", "shape", "type", verb, "median", "MAD", "largest", RATIOS)
    numbers = ("median", "MAD", "largest", "NaN")
    table = empty_table("Pixels with a value in both (B - A)", *columns, "NaN", whole=numbers)
    for image in images:
        changed = ""
        if image.pixels:
            changed = f"{image.changed:,} ({percent(image.changed / image.pixels)})"
        table.add_row(
            image.hdu,
            _arrow(_shape(image.old_shape), _shape(image.new_shape)),
            _arrow(image.old_type, image.new_type),
            changed,
            *_statistics(image.spread),
            _nan(image) if image.spread or image.gained or image.lost else "",
        )
    return table


def _nan(image: records.ImageDifference) -> str:
    """Return how many pixels have no value; and how many gained and lost one, if both happened."""
    numbers = _arrow(f"{image.old_nan:,}", f"{image.new_nan:,}")
    return (
        f"{numbers} ({image.lost:,} more, {image.gained:,} fewer)"
        if image.gained and image.lost
        else numbers
    )


def _statistics(statistics: records.PixelStatistics | None) -> tuple[str, str, str, str]:
    """Return median, MAD, largest and ratios; with "~" if only a sample of pixels was used."""
    if statistics is None:
        return "", "", "", ""
    about = "" if statistics.every == 1 else "~"
    return (
        f"{about}{statistics.median:.4g}",
        f"{about}{statistics.mad:.4g}",
        f"{statistics.largest:.4g}",
        " ".join(f"{about}{ratio:.3g}" for ratio in statistics.over_error or ()),
    )


def _flag_table(flags: Sequence[tuple[str, records.FlagDifference]]) -> Table:
    table = empty_table("Data quality (pixels)", "HDU", "flag", "gained", "lost")
    for hdu, flag in flags:
        table.add_row(hdu, flag.name, f"{flag.gained:,}", f"{flag.lost:,}")
    return table


def _column_table(difference: records.TableDifference) -> Table:
    rows = _arrow(f"{difference.old_rows:,}", f"{difference.new_rows:,}")
    title = f"Table {difference.hdu} of {rows} rows"
    table = empty_table(title, "column", "type", "rows that differ", "largest")
    for column in difference.columns:
        table.add_row(
            column.name,
            _arrow(column.old_type or "none", column.new_type or "none"),
            f"{column.differing:,}" if column.differing else "",
            "" if column.largest is None else f"{column.largest:.4g}",
        )
    return table


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "none"
