"""The page on one file in two states: a verdict, then what differs in it."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.model import comparison as records
from jwmirror.report import formatting
from jwmirror.report.formatting import section, shortened
from jwmirror.report.terminal.diff.states import sides_of, way_of
from jwmirror.report.terminal.diff.values import flag_table, image_parts, sky_line, table_parts

COLOURS = {
    **dict.fromkeys((records.PIXELS, records.VALUES, records.MEMBERS, records.BYTES), "red"),
    records.HEADER: "yellow",
    **dict.fromkeys((records.EQUAL, records.IDENTICAL), "green"),
}


def files_page(
    difference: records.FileDifferences,
    all_lines: bool = False,
    verbose: bool = False,
    has_head: bool = False,
) -> RenderableType:
    """Return the differences within each file of one name; `verbose`: hashes.

    It begins with the sides and, of several files, how many differ: with `has_head` of one, too.
    """
    both = difference.old, difference.new
    sides, way = sides_of(*both), way_of(*both)
    verb = "changed" if both[0].origin == both[1].origin else "differ"
    head, files = [], difference.files
    if len(files) > 1:
        head, files = [*_summary(files, sides, verb, all_lines)], tuple(filter(_differs, files))
    elif has_head:
        head = [Text(f"Compared: {sides}", style="bold")]
    pages = (_file_page(each, sides, way, verb, all_lines, verbose) for each in files)
    return Group(*head, *pages)


def _differs(file: records.FileDifference) -> bool:
    return file.comparison is None or file.comparison.verdict != records.IDENTICAL


def _summary(
    files: Sequence[records.FileDifference], sides: str, verb: str, all_lines: bool
) -> Iterator[Text]:
    """Yield how many files differ, and the verdict of each."""
    number = sum(map(_differs, files))
    yield Text(
        f"{sides}: {number:,} of {len(files):,} files {'differs' if number == 1 else 'differ'}",
        style="bold",
    )
    lines = []
    for file in files:
        verdict = f"only on the {'first' if file.old else 'second'} side"
        if file.comparison:
            verdict = file.comparison.verdict.replace("changed", verb)
        entry = file.new or file.old
        lines.append(f"  {entry.path if entry else ''}: {verdict}")
    yield from shortened(lines, all_lines)
    yield Text()


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
        lines = [sky_line(comparison.shift)]
        yield from section("Sky under SCI", lines, all_lines, show_count=False)
    if comparison.images:
        yield from image_parts(comparison.images, verb, all_lines)
    if flags := [(image.hdu, flag) for image in comparison.images for flag in image.bits]:
        yield flag_table(flags)
    for table in comparison.tables:
        yield from table_parts(table, all_lines)
    cards = [str(reason) for reason in comparison.cards]
    yield from section("Other cards and keys", cards, all_lines)
    branches = [
        f"{branch.name}  ({formatting.count(branch.values, 'value')})" for branch in comparison.tree
    ]
    yield from section("ASDF tree", branches, all_lines)
