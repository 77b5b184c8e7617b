"""Parts of the page on one file: what differs in its sky, images and tables, in numbers."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import comparison as records
from jwmirror.core.printing import percent
from jwmirror.report.formatting import SHOWN, count, empty_table, section

RATIOS = "|B-A|/ERR, percentiles 50 90 99"


def sky_line(shift: records.SkyShift) -> str:
    """Return by how much the sky moved under the pixels."""
    corners = ", ".join(f"{distance:.3g}" for distance in shift.corners)
    return (
        f"centre {shift.centre:.3g} mas ({shift.east:+.3g} east, {shift.north:+.3g} north), "
        f"corners {corners} mas, by {shift.source}"
    )


def image_parts(
    images: Sequence[records.ImageDifference], verb: str, all_lines: bool
) -> Iterator[RenderableType]:
    """Yield a table of the images that differ, and the largest difference of each with its place.

    `verb`: what pixels did, "changed" or "differ".
    """
    columns = ("HDU", "shape", "type", verb, "median", "MAD", "unit", RATIOS, "NaN")
    numbers = ("median", "MAD", "NaN")
    table = empty_table("Pixels with a value in both (B - A)", *columns, whole=numbers)
    for image in images:
        table.add_row(*_image_row(image))
    yield table
    pairs = [(each, each.spread) for each in images if each.spread and each.spread.largest]
    lines = [_largest(image.hdu, image.unit, spread) for image, spread in pairs]
    title = "Largest difference (B - A); the first pixel is x 0, y 0"
    yield from section(title, lines, all_lines, show_count=False)


def _image_row(image: records.ImageDifference) -> Iterator[str]:
    """Yield the cells of one image."""
    yield image.hdu
    yield _arrow(_shape(image.old_shape), _shape(image.new_shape))
    yield _arrow(image.old_type, image.new_type)
    share = percent(image.changed / image.pixels) if image.pixels else ""
    yield f"{image.changed:,} ({share})" if image.pixels else ""
    median, deviation, ratios = _statistics(image.spread)
    yield from (median, deviation, image.unit if image.spread else "", ratios)
    yield _nan(image) if image.spread or image.gained or image.lost else ""


def _largest(hdu: str, unit: str, spread: records.PixelStatistics) -> str:
    """Return the largest difference of an image with its sign, and the pixel where it is."""
    words = f"{hdu}: {spread.largest:+.4g} {unit}".rstrip()
    names = ("x", "y", *("plane", "plane of the fourth axis")[: max(len(spread.place) - 2, 0)])
    place = ", ".join(f"{name} {index}" for name, index in zip(names, spread.place, strict=False))
    sky = f"; {sky_place(*spread.sky)}" if spread.sky else ""
    return f"{words} at {place}{sky}"


def _nan(image: records.ImageDifference) -> str:
    """Return how many pixels have no value; and how many gained and lost one, if both happened."""
    numbers = _arrow(f"{image.old_nan:,}", f"{image.new_nan:,}")
    return (
        f"{numbers} ({image.lost:,} more, {image.gained:,} fewer)"
        if image.gained and image.lost
        else numbers
    )


def _statistics(statistics: records.PixelStatistics | None) -> tuple[str, str, str]:
    """Return median, MAD and ratios; with "~" if only a sample of pixels was used."""
    if statistics is None:
        return "", "", ""
    about = "" if statistics.every == 1 else "~"
    return (
        f"{about}{statistics.median:.4g}",
        f"{about}{statistics.mad:.4g}",
        " ".join(f"{about}{ratio:.3g}" for ratio in statistics.over_error or ()),
    )


def flag_table(flags: Sequence[tuple[str, records.FlagDifference]]) -> Table:
    """Return a table of the flags, of images by their names, that pixels gained and lost."""
    table = empty_table("Data quality (pixels)", "HDU", "flag", "gained", "lost")
    for hdu, flag in flags:
        table.add_row(hdu, flag.name, f"{flag.gained:,}", f"{flag.lost:,}")
    return table


def table_parts(difference: records.TableDifference, all_lines: bool) -> Iterator[RenderableType]:
    """Yield what differs in a table: of a catalogue the sources first, then the columns."""
    if difference.sources:
        yield from _sources(difference.sources, all_lines)
    if difference.columns or not difference.sources:
        yield from _columns(difference, all_lines)


def _sources(pairs: records.SourcePairs, all_lines: bool) -> Iterator[Text]:
    """Yield how many sources both catalogues have, how far they moved, and which only one has."""
    lines = [f"{pairs.both:,} in both, within {_distance(pairs.radius, pairs.unit)}"]
    if pairs.median is not None and pairs.largest is not None:
        median, largest = (_distance(size, pairs.unit) for size in (pairs.median, pairs.largest))
        lines.append(f"their positions differ by {median} (median), {largest} (largest)")
    if pairs.shift:
        first, second = (_distance(size, pairs.unit, "+") for size in pairs.shift)
        ways = ("east", "north") if pairs.unit == "arcsec" else ("in x", "in y")
        lines.append(f"paired after a common shift of {first} {ways[0]}, {second} {ways[1]}")
    if pairs.renumbered:
        lines.append(f"{pairs.renumbered:,} have another label or row, which does not count")
    yield from section("Sources, paired by position", lines, all_lines, show_count=False)
    for side, sources in (("A", pairs.only_old), ("B", pairs.only_new)):
        yield from section(f"Sources only in {side}", list(map(_place, sources)), all_lines)


def _distance(size: float, unit: str, sign: str = "") -> str:
    """Return a distance on the sky in mas if it is short, or in pixels."""
    if unit == "pixel":
        return f"{size:{sign}.3g} pixel"
    return f"{size:{sign}.3g} arcsec" if abs(size) >= 1 else f"{size * 1000:{sign}.3g} mas"


def _place(source: records.Source) -> str:
    label = f"label {source.label}: " if source.label else ""
    places = []
    if source.ra is not None and source.dec is not None:
        places.append(sky_place(source.ra, source.dec))
    if source.x is not None and source.y is not None:
        places.append(f"x {source.x:.2f}, y {source.y:.2f}")
    return f"{label}{'; '.join(places) or 'no position'}"


def sky_place(ra: float, dec: float) -> str:
    """Return a position in degrees; the last digit is less than 4 mas."""
    return f"RA {ra:.6f}, Dec {dec:+.6f} deg"


def _columns(difference: records.TableDifference, all_lines: bool) -> Iterator[RenderableType]:
    """Yield a table of the columns that differ: in how many rows or sources, and by how much."""
    pairs, columns = difference.sources, difference.columns
    rows = _arrow(f"{difference.old_rows:,}", f"{difference.new_rows:,}")
    title = f"Table {difference.hdu}".strip() + f" of {rows} rows (B - A)"
    if pairs:
        title = f"Values of the {count(pairs.both, 'source')} in both (B - A)"
    has_types = any(column.old_type != column.new_type for column in columns)
    what = f"{'sources' if pairs else 'rows'} that differ"
    names = ("column", *(["type"] if has_types else []), what, "median", "largest", "unit")
    table = empty_table(title, *names, whole=("median", "largest"))
    shown = columns if all_lines else columns[:SHOWN]
    for column in shown:
        table.add_row(*_column_row(column, has_types))
    yield table
    if len(shown) < len(columns):
        yield Text(f"... and {len(columns) - len(shown)} more; --all lists them", style="dim")


def _column_row(column: records.ColumnDifference, has_types: bool) -> Iterator[str]:
    """Yield the cells of one column."""
    yield column.name
    if has_types:
        yield _arrow(column.old_type or "none", column.new_type or "none")
    yield f"{column.differing:,}" if column.differing else ""
    for size in (column.median, column.largest):
        yield "" if size is None else f"{size:+.4g}"
    types = (column.old_type, column.new_type)
    units = {each.partition(" ")[2] for each in types if each}
    yield units.pop() if len(units) == 1 else ""


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "none"
