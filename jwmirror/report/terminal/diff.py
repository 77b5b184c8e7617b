"""The terminal's pages of `jwmirror diff`: how two states differ, and how one file does."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import Reason
from jwmirror.core.model import comparison as found
from jwmirror.core.model.comparison import Comparison, FileChange, FileDifference, Side
from jwmirror.report import formatting
from jwmirror.report.formatting import empty_table
from jwmirror.report.status import split_view_path
from jwmirror.report.terminal.status import FOLDERS, SHOWN

KINDS = ("new", "changed", "marked", "gone")
COLOURS = {found.PIXELS: "red", found.VALUES: "red", found.MEMBERS: "red", found.BYTES: "red"}
COLOURS |= {found.HEADER: "yellow", found.EQUAL: "green", found.IDENTICAL: "green"}


def state_page(difference: found.StateDifference, all_lines: bool = False) -> RenderableType:
    """What is new, changed, marked and gone: in numbers, by cause, and file by file."""
    files = difference.files
    kinds = Counter(each.kind for each in files)
    totals = ", ".join(f"{kinds[kind]:,} {kind}" for kind in KINDS if kinds[kind])
    head = f"{difference.mirror}: {_sides(difference.old, difference.new)}: "
    parts: list[RenderableType] = [Text(head + (totals or "no difference"), style="bold")]
    if files:
        parts.append(_numbers(files, all_lines))
        parts += _section("Why changed", _causes(files), all_lines)
    for kind in ("changed", "marked", "new", "gone"):
        lines = [_line(each) for each in files if each.kind == kind]
        parts += _section(kind.capitalize(), lines, all_lines)
    return Group(*parts)


def files_page(difference: found.FileDifferences, all_lines: bool = False) -> RenderableType:
    """The files of one name, each with what is different in it."""
    sides = _sides(difference.old, difference.new)
    return Group(*(_file_page(each, sides, all_lines) for each in difference.files))


def _sides(old: Side, new: Side) -> str:
    was, now = (
        f"generation {side.generation}{f' {side.origin}' if side.origin else ''}"
        for side in (old, new)
    )
    return f"{was} -> {now}"


# ---- two states ------------------------------------------------------------------------------


def _numbers(files: Sequence[FileChange], all_lines: bool) -> Table:
    """Files by program, observation, origin and suffix; in brief for large changes."""
    table = Table("program", "observation", "origin", "suffix", *KINDS, box=None)
    places = [split_view_path(_path(each)) for each in files]
    brief = len({place[:3] for place in places}) > FOLDERS and not all_lines
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for each, (origin, program, observation, suffix) in zip(files, places, strict=True):
        place = (program, "all" if brief else observation, origin, suffix)
        counts.setdefault(place, Counter())[each.kind] += 1
    for place in sorted(counts):
        numbers = (counts[place][kind] for kind in KINDS)
        table.add_row(*map(escape, place), *(f"{number:,}" if number else "" for number in numbers))
    return table


def _causes(files: Sequence[FileChange]) -> list[str]:
    """Each reason that several changed files share, with how many do; the most frequent first."""
    changed = [each for each in files if each.kind == "changed"]
    reasons = (reason for each in changed for reason in each.reasons if reason.what != "DATE")
    causes = Counter(str(reason) for reason in reasons)
    shared = [(cause, count) for cause, count in causes.most_common() if count > 1]
    return [f"{cause}  ({count:,} of {len(changed):,})" for cause, count in shared]


def _line(change: FileChange) -> str:
    science = ["equal science content"] if change.same_science else []
    told = "; ".join([*science, *(str(reason) for reason in change.reasons)])
    return f"{_path(change)}{f'  [{told}]' if told else ''}"


def _path(change: FileChange) -> str:
    entry = change.new or change.old
    return entry.path if entry else ""


# ---- one file --------------------------------------------------------------------------------


def _file_page(each: FileDifference, sides: str, all_lines: bool) -> RenderableType:
    if each.comparison is None:
        entry, side = (each.old, "first") if each.old else (each.new, "second")
        return Text(f"{entry.path}: only on the {side} side ({sides})\n")  # type: ignore[union-attr]
    paths = [entry.path for entry in (each.old, each.new) if entry]
    told = each.comparison.pedigree  # by the headers themselves, DATE to the millisecond
    made = [why for why in each.reasons if why not in told and why.what != "DATE"]
    name = paths[0] if paths[0] == paths[1] else " -> ".join(paths)
    parts = [
        _verdict(each.comparison),
        Text(f"{name}\n{sides}", style="dim"),
        *_section("Made differently", list(map(str, made)), all_lines),
        *_comparison(each.comparison, all_lines),
        Text(),
    ]
    return Group(*parts)


def _verdict(comparison: Comparison) -> Text:
    """What it comes to, in words."""
    told = Text(comparison.verdict, style=f"bold {COLOURS[comparison.verdict]}")
    if comparison.verdict == found.EQUAL:
        only = ", ".join(comparison.volatile) or "the layout of the bytes"
        told.append(f" (only {only} differ{'' if ',' in only else 's'})")
    if comparison.verdict == found.BYTES:
        sizes = [f"{formatting.size(each.size)} {each.sha256}" for each in _contents(comparison)]
        told.append(f": {' -> '.join(sizes)}")
    return told


def _contents(comparison: Comparison) -> tuple[found.FileContent, found.FileContent]:
    return comparison.old, comparison.new


def _comparison(comparison: Comparison, all_lines: bool) -> Iterator[RenderableType]:
    """Each part of a comparison that has something to tell."""
    sections: dict[str, Sequence[Reason]] = {
        "Pedigree": comparison.pedigree,
        "References": comparison.references,
        "Steps": comparison.steps,
        "Members": comparison.members,
        "Layout": comparison.layout,
    }
    for title, reasons in sections.items():
        yield from _section(title, [str(reason) for reason in reasons], all_lines)
    if comparison.shift:
        yield from _section("Sky under SCI", [_shift(comparison.shift)], all_lines, count=False)
    if comparison.images:
        yield _images(comparison.images)
    if bits := [(image.hdu, bit) for image in comparison.images for bit in image.bits]:
        yield _flags(bits)
    for table in comparison.tables:
        yield _columns(table)
    cards = [str(reason) for reason in comparison.cards]
    yield from _section("Other cards and keys", cards, all_lines)
    tree = [f"{each.name}  ({formatting.count(each.values, 'value')})" for each in comparison.tree]
    yield from _section("ASDF tree", tree, all_lines)


def _shift(shift: found.SkyShift) -> str:
    corners = ", ".join(f"{each:.3g}" for each in shift.corners)
    return (
        f"centre {shift.centre:.3g} mas ({shift.east:+.3g} east, {shift.north:+.3g} north), "
        f"corners {corners} mas, by {shift.source}"
    )


def _images(images: Sequence[found.ImageDifference]) -> Table:
    columns = ("HDU", "shape", "type", "changed", "median", "MAD", "largest", "|d|/ERR 50 90 99 %")
    numbers = ("median", "MAD", "largest", "NaN")
    table = empty_table("Pixels (new - old)", *columns, "NaN", whole=numbers)
    for each in images:
        share = f"{each.changed:,} ({_share(each.changed, each.pixels)})" if each.pixels else ""
        row = [_turn(_shape(each.old_shape), _shape(each.new_shape))]
        row += [_turn(each.old_type, each.new_type), share, *_spread(each.spread)]
        nan = _turn(f"{each.old_nan:,}", f"{each.new_nan:,}") if each.spread else ""
        table.add_row(escape(each.hdu), *row, nan)
    return table


def _spread(spread: found.PixelStatistics | None) -> tuple[str, str, str, str]:
    if spread is None:
        return "", "", "", ""
    about = "" if spread.every == 1 else "~"
    over = " ".join(f"{about}{each:.3g}" for each in spread.over_error or ())
    return f"{about}{spread.median:.4g}", f"{about}{spread.mad:.4g}", f"{spread.largest:.4g}", over


def _flags(bits: Sequence[tuple[str, found.FlagDifference]]) -> Table:
    table = empty_table("Data quality (pixels)", "HDU", "flag", "gained", "lost")
    for hdu, bit in bits:
        table.add_row(escape(hdu), bit.name, f"{bit.gained:,}", f"{bit.lost:,}")
    return table


def _columns(table: found.TableDifference) -> Table:
    rows = _turn(f"{table.old_rows:,}", f"{table.new_rows:,}")
    page = empty_table(
        f"Table {escape(table.hdu)} of {rows} rows", "column", "type", "differing", "largest"
    )
    for each in table.columns:
        kind = _turn(each.old_type or "none", each.new_type or "none")
        largest = "" if each.largest is None else f"{each.largest:.4g}"
        page.add_row(
            escape(each.name),
            escape(kind),
            f"{each.differing:,}" if each.differing else "",
            largest,
        )
    return page


def _turn(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape) or "none"


def _share(part: int, whole: int) -> str:
    """A share that is never rounded to none or all."""
    percent = 100 * part / whole
    if 0 < percent < 0.01:
        return "< 0.01 %"
    return f"{percent:.2f} %" if percent < 99.995 or part == whole else "> 99.99 %"


def _section(
    title: str, lines: Sequence[str], all_lines: bool, count: bool = True
) -> Iterator[Text]:
    """A list under a title, cut unless all lines are asked for; nothing for an empty one."""
    if not lines:
        return
    limit = len(lines) if all_lines else SHOWN
    yield Text(f"\n{title}{f' ({len(lines):,})' if count else ''}", style="bold")
    yield from (Text(f"  {line}") for line in lines[:limit])
    if len(lines) > limit:
        yield Text(f"  ... and {len(lines) - limit:,} more; --all lists them", style="dim")
