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
    old_places, new_places, unit, radius = plane
    known = [np.flatnonzero(np.isfinite(each).all(axis=1)) for each in (old_places, new_places)]
    places = old_places[known[0]], new_places[known[1]]
    first, second = _match(*places, radius)
    shift = None
    if 2 * len(first) < min(map(len, places)):
        offset = _common_offset(*places, radius)
        moved = _match(places[0] + offset, places[1], radius)
        if len(moved[0]) >= max(3, min(map(len, places)) / 2):
            (first, second), shift = moved, (float(offset[0]), float(offset[1]))
    distances = np.hypot(*(places[1][second] - places[0][first]).T)
    nowhere = [
        np.setdiff1d(np.arange(table.rows), rows)
        for table, rows in zip((old, new), known, strict=True)
    ]
    both = min(map(len, nowhere))
    return Pairing(
        old=np.concatenate([known[0][first], nowhere[0][:both]]),
        new=np.concatenate([known[1][second], nowhere[1][:both]]),
        distances=distances,
        radius=radius,
        unit=unit,
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


def _common_plane(
    old: TableContent, new: TableContent
) -> tuple[np.ndarray, np.ndarray, str, float] | None:
    """Return the positions in both tables in one plane, of the shape (rows, 2).

    They come with the unit, "arcsec" (to the east and the north) or "pixel", and the radius of the
    PSF.
    """
    pixels = [_columns(table, _names(table, PIXELS)) for table in (old, new)]
    skies = [_columns(table, _names(table, SKY)) for table in (old, new)]
    if skies[0] is not None and skies[1] is not None:
        centre = _centre(skies[0]) or _centre(skies[1]) or (0.0, 0.0)
        planes = [_projected(sky, centre) for sky in skies if sky is not None]
        scales = [
            scale
            for plane, place in zip(planes, pixels, strict=True)
            if place is not None and (scale := _pixel_size(plane, np.stack(place, axis=1)))
        ]
        return planes[0], planes[1], "arcsec", PSF * max(scales) if scales else RADIUS
    if pixels[0] is not None and pixels[1] is not None:
        return np.stack(pixels[0], axis=1), np.stack(pixels[1], axis=1), "pixel", float(PSF)
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


def _pixel_size(plane: np.ndarray, pixels: np.ndarray) -> float | None:
    """Return the size of a pixel in arcsec, from the distances between sources that follow."""
    steps, pixel_steps = (np.hypot(*np.diff(each, axis=0).T) for each in (plane, pixels))
    usable = np.isfinite(steps) & np.isfinite(pixel_steps) & (pixel_steps > 0) & (steps > 0)
    return float(np.median(steps[usable] / pixel_steps[usable])) if usable.any() else None


def _neighbours(
    old: np.ndarray, new: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all pairs of rows of two sets of places that are within a radius, and how far.

    The places are sorted into cells of that size; only the cells around a place are searched.
    """
    old_cells, new_cells = (np.floor(each / radius).astype("i8") for each in (old, new))
    lowest = np.minimum(old_cells.min(axis=0, initial=0), new_cells.min(axis=0, initial=0)) - 1
    height = int(max(each[:, 1].max(initial=0) for each in (old_cells, new_cells)) - lowest[1]) + 2
    numbers = (new_cells - lowest) @ (height, 1)
    order = np.argsort(numbers, kind="stable")
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for column in (-1, 0, 1):  # the three cells of a column have numbers that follow
        wanted = (old_cells - lowest + (column, 0)) @ (height, 1)
        low = np.searchsorted(numbers[order], wanted - 1, side="left")
        high = np.searchsorted(numbers[order], wanted + 1, side="right")
        rows = np.repeat(np.arange(len(old)), high - low)
        begins = np.repeat(np.cumsum(high - low) - (high - low), high - low)
        found.append((rows, order[np.arange(len(rows)) - begins + np.repeat(low, high - low)]))
    first, second = (np.concatenate(each) for each in zip(*found, strict=True))
    distances = np.hypot(*(new[second] - old[first]).T)
    near = distances <= radius
    return first[near], second[near], distances[near]


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
    is_other = np.argsort(pairing.old, kind="stable") != np.arange(len(pairing.old))
    labels = _labels(old)[pairing.old], _labels(new)[pairing.new]
    if old.rows and new.rows:
        is_other |= labels[0] != labels[1]
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
        renumbered=int(np.count_nonzero(is_other)),
    )


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
