"""The same sources in two catalogues, found by their positions.

The source_catalog step of jwst numbers the sources of each mosaic anew, so rows cannot be compared
one by one: one more source moves all rows after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jwmirror.compare.tables.columns import TableContent, column_differences
from jwmirror.core.model.comparison import Source, SourcePairs, TableDifference

# Names since jwst 0.9, of catalogues of its users, and (with an underscore) of photutils since 3.
SKY = (
    ("sky_centroid.ra", "sky_centroid.dec"),
    ("icrs_centroid.ra", "icrs_centroid.dec"),
    ("ra", "dec"),
    ("RA", "DEC"),
)
PIXELS = (("xcentroid", "ycentroid"), ("x_centroid", "y_centroid"))
LABELS = ("label", "id")  # of a source, in its catalogue
NAMES = (*LABELS, "nn_label")  # nn_label: of the nearest neighbour
PSF = 3  # pixels: about the FWHM where the pixels are large (NIRCam, NIRISS, MIRI below 13 microns)
RADIUS = 0.2  # arcsec, if a catalogue does not say how large its pixels are
LARGEST_SHIFT = 20  # radii by which all sources may have moved together
SAMPLE = 2000  # sources that are used to find such a shift
ARCSEC = 180 * 3600 / np.pi  # in a radian


class Columns(NamedTuple):
    """The two coordinates of all rows, as arrays of one dimension."""

    first: np.ndarray
    second: np.ndarray


class Plane(NamedTuple):
    """The positions in the old and the new catalogue, each of the shape (rows, 2)."""

    places: tuple[np.ndarray, np.ndarray]
    unit: str  # "arcsec" (to the east and the north) or "pixel"
    radius: float  # of the PSF


@dataclass(frozen=True)
class Pairing:
    """Rows of two catalogues that are the same sources, in the order of the new catalogue."""

    old: np.ndarray  # row numbers
    new: np.ndarray
    distances: np.ndarray  # of the pairs that have a position
    radius: float
    unit: str  # "arcsec" or "pixel"
    shift: tuple[float, float] | None  # east and north, or x and y: removed before pairing


def compare_sources(
    old: TableContent, new: TableContent, pairing: Pairing
) -> TableDifference | None:
    """Return how two source catalogues differ; None if all rows are equal and in one order.

    The values of the sources that both have are compared, except their labels.
    """
    sources = _describe(old, new, pairing)
    columns = tuple(column_differences(old.at(pairing.old), new.at(pairing.new), NAMES))
    if not (columns or sources.only_old or sources.only_new or sources.renumbered):
        return None
    return TableDifference(
        hdu="", old_rows=old.rows, new_rows=new.rows, columns=columns, sources=sources
    )


def pair_sources(old: TableContent, new: TableContent) -> Pairing | None:
    """Return which sources of two catalogues are the same: nearest first, each source once.

    The radius is that of the PSF. If fewer than half of the sources have a partner, all may have
    moved together, as with another alignment: the most frequent offset is then removed first.
    Sources without a position are paired in their order. None unless both tables have positions of
    one kind.
    """
    plane = _common_plane(old, new)
    if plane is None:
        return None
    known = [np.flatnonzero(np.isfinite(each).all(axis=1)) for each in plane.places]
    old_places, new_places = plane.places[0][known[0]], plane.places[1][known[1]]
    first, second, shift = _match_or_shift(old_places, new_places, plane.radius)
    nowhere = [
        np.setdiff1d(np.arange(table.rows), rows)
        for table, rows in zip((old, new), known, strict=True)
    ]
    both = min(map(len, nowhere))
    return Pairing(
        old=np.concatenate([known[0][first], nowhere[0][:both]]),
        new=np.concatenate([known[1][second], nowhere[1][:both]]),
        distances=np.hypot(*(new_places[second] - old_places[first]).T),
        radius=plane.radius,
        unit=plane.unit,
        shift=shift,
    )


def _names(table: TableContent, choices: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the first pair of names of columns that a table has, if they are numbers."""
    for names in choices:
        if all(name in table.types for name in names):
            types = [np.asarray(table.column(name)).dtype.kind for name in names]
            units = {table.unit(name) for name in names}
            if set(types) <= set("iuf") and units <= {"", "deg", "pix"}:
                return names
    return None


def _columns(table: TableContent, names: tuple[str, str] | None) -> Columns | None:
    """Return two columns as numbers, NaN where a value is missing; None without names."""
    if names is None:
        return None
    values = (
        np.ma.filled(np.ma.asarray(table.column(name)).astype("f8"), np.nan) for name in names
    )
    columns = Columns(*values)
    return columns if columns.first.ndim == columns.second.ndim == 1 else None


def _common_plane(old: TableContent, new: TableContent) -> Plane | None:
    """Return the positions in both tables in one plane; None if they are not of one kind."""
    pixels = [_columns(table, _names(table, PIXELS)) for table in (old, new)]
    skies = [_columns(table, _names(table, SKY)) for table in (old, new)]
    if skies[0] is not None and skies[1] is not None:
        centre = _centre(skies[0]) or _centre(skies[1]) or (0.0, 0.0)
        places = _projected(skies[0], centre), _projected(skies[1], centre)
        sizes = [_pixel_size(*each) for each in zip(places, pixels, strict=True)]
        return Plane(places, "arcsec", PSF * max(sizes) or RADIUS)
    if pixels[0] is not None and pixels[1] is not None:
        places = np.stack(pixels[0], axis=1), np.stack(pixels[1], axis=1)
        return Plane(places, "pixel", float(PSF))
    return None


def _centre(sky: Columns) -> tuple[float, float] | None:
    """Return the position of the first source that has one."""
    known = np.flatnonzero(np.isfinite(sky.first) & np.isfinite(sky.second))
    return (float(sky.first[known[0]]), float(sky.second[known[0]])) if len(known) else None


def _projected(sky: Columns, centre: tuple[float, float]) -> np.ndarray:
    """Return positions as seen from far above a centre: arcsec to the east and to the north."""
    turn, dec = np.radians(sky.first - centre[0]), np.radians(sky.second)
    centre_dec = np.radians(centre[1])
    east = np.cos(dec) * np.sin(turn)
    north = np.cos(centre_dec) * np.sin(dec) - np.sin(centre_dec) * np.cos(dec) * np.cos(turn)
    return np.stack([east, north], axis=1) * ARCSEC


def _pixel_size(plane: np.ndarray, pixels: Columns | None) -> float:
    """Return the size of a pixel in arcsec, from the distances between sources; 0: unknown."""
    if pixels is None:
        return 0.0
    steps = np.hypot(*np.diff(plane, axis=0).T)
    pixel_steps = np.hypot(np.diff(pixels.first), np.diff(pixels.second))
    usable = np.isfinite(steps) & np.isfinite(pixel_steps) & (pixel_steps > 0)
    return float(np.median(steps[usable] / pixel_steps[usable])) if usable.any() else 0.0


def _neighbours(
    old: np.ndarray, new: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all pairs of rows of two sets of places that are within a radius, and how far.

    The places are sorted into cells of that size; only the cells around a place are searched.
    """
    numbers, old_numbers, height = _cell_numbers(old, new, radius)
    order = np.argsort(numbers, kind="stable")
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for column in (-height, 0, height):  # the three cells of a column have numbers that follow
        low = np.searchsorted(numbers[order], old_numbers + column - 1, side="left")
        high = np.searchsorted(numbers[order], old_numbers + column + 1, side="right")
        rows = np.repeat(np.arange(len(old)), high - low)
        begins = np.repeat(np.cumsum(high - low) - (high - low), high - low)
        found.append((rows, order[np.arange(len(rows)) - begins + np.repeat(low, high - low)]))
    first, second = (np.concatenate(each) for each in zip(*found, strict=True))
    distances = np.hypot(*(new[second] - old[first]).T)
    near = distances <= radius
    return first[near], second[near], distances[near]


def _cell_numbers(
    old: np.ndarray, new: np.ndarray, size: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the numbers of the cells of new and of old places, column by column, and a column's.

    There is an empty cell around all of them.
    """
    cells = np.floor(np.concatenate([new, old]) / size).astype("i8")
    cells -= cells.min(axis=0, initial=0) - 1
    height = int(cells[:, 1].max(initial=0)) + 2
    numbers = cells @ np.array((height, 1))
    return numbers[: len(new)], numbers[len(new) :], height


def _match(old: np.ndarray, new: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows, the nearest first, each row once; in the order of the new rows."""
    first, second, distances = _neighbours(old, new, radius)
    partner: dict[int, int] = {}  # old row, by the new one
    taken: set[int] = set()
    for index in np.lexsort((second, first, distances)).tolist():
        row, other = int(first[index]), int(second[index])
        if row not in taken and other not in partner:
            taken.add(row)
            partner[other] = row
    rows = sorted(partner)
    return np.array([partner[row] for row in rows], int), np.array(rows, int)


def _match_or_shift(
    old: np.ndarray, new: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, tuple[float, float] | None]:
    """Return pairs of rows; if few have a partner, after a shift that most have in common."""
    first, second = _match(old, new, radius)
    half = min(len(old), len(new)) / 2
    if len(first) >= half:
        return first, second, None
    offset = _common_offset(old, new, radius)
    moved = _match(old + offset, new, radius)
    if len(moved[0]) < max(3, half):
        return first, second, None
    return *moved, (float(offset[0]), float(offset[1]))


def _common_offset(old: np.ndarray, new: np.ndarray, radius: float) -> np.ndarray:
    """Return the offset (2 numbers) that most pairs of old and new places have; 0 if none."""
    sample = old[:: -(-len(old) // SAMPLE) or 1]
    first, second, _ = _neighbours(sample, new, LARGEST_SHIFT * radius)
    offsets = new[second] - sample[first]
    if not len(offsets):
        return np.zeros(2)
    cells, counts = np.unique(np.floor(offsets / radius), axis=0, return_counts=True)
    best = (cells[np.argmax(counts)] + 0.5) * radius
    for _ in range(3):  # the mean of the peak; the cell may have cut it
        near = np.hypot(*(offsets - best).T) <= radius
        best = offsets[near].mean(axis=0) if near.any() else best
    return np.asarray(best)


def _describe(old: TableContent, new: TableContent, pairing: Pairing) -> SourcePairs:
    """Return how many sources both catalogues have, how far they moved, and which only one has."""
    distances = pairing.distances
    return SourcePairs(
        both=len(pairing.old),
        radius=pairing.radius,
        unit=pairing.unit,
        median=float(np.median(distances)) if len(distances) else None,
        largest=float(distances.max()) if len(distances) else None,
        shift=pairing.shift,
        only_old=_sources(old, np.setdiff1d(np.arange(old.rows), pairing.old)),
        only_new=_sources(new, np.setdiff1d(np.arange(new.rows), pairing.new)),
        renumbered=_count_renumbered(old, new, pairing),
    )


def _count_renumbered(old: TableContent, new: TableContent, pairing: Pairing) -> int:
    """Return how many pairs have another label, or another place among the pairs."""
    ranks = np.argsort(np.argsort(pairing.old, kind="stable"), kind="stable")
    order = np.argsort(np.argsort(pairing.new, kind="stable"), kind="stable")
    labels = _labels(old)[pairing.old], _labels(new)[pairing.new]
    return int(np.count_nonzero((ranks != order) | (labels[0] != labels[1])))


def _labels(table: TableContent) -> np.ndarray:
    """Return the labels of all sources as text; "" without such a column."""
    name = next((name for name in LABELS if name in table.types), None)
    return np.full(table.rows, "") if name is None else np.asarray(table.column(name)).astype(str)


def _sources(table: TableContent, rows: np.ndarray) -> tuple[Source, ...]:
    """Return label and position of the sources in some rows."""
    labels = _labels(table)
    sky, pixels = (_columns(table, _names(table, choices)) for choices in (SKY, PIXELS))

    def number(columns: Columns | None, index: int, row: int) -> float | None:
        value = float(columns[index][row]) if columns else np.nan
        return value if np.isfinite(value) else None

    return tuple(
        Source(
            label=str(labels[row]),
            ra=number(sky, 0, row),
            dec=number(sky, 1, row),
            x=number(pixels, 0, row),
            y=number(pixels, 1, row),
        )
        for row in rows.tolist()
    )
