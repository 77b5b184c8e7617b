"""The pairs of versions that are compared, decided by the rows of two generations."""

from collections.abc import Iterable, Iterator
from itertools import combinations

from jwmirror.compare.pictures.records import CHANGE, MAST, RECIPES, FileRow, Pair, PairKind
from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.names import candidate_of, root_and_suffix

RECTIFIED = ("s2d", "psfsub")  # spectra of slits; images of a coronagraph
MOSAICS, CUBES, SPECTRA = ("i2d",), ("s3d",), ("x1d", "c1d", "x1dints")
LIGHT_CURVES, EXPOSURES = ("whtlt", "phot"), ("cal", "calints", "rate", "rateints")
# Suffixes that are compared, in the order in which they are drawn.
SUFFIXES = {
    ".fits": (*MOSAICS, *CUBES, *SPECTRA, *RECTIFIED, *EXPOSURES),
    ".ecsv": LIGHT_CURVES,
}
ORDER = (*MOSAICS, *CUBES, *SPECTRA, *LIGHT_CURVES, *RECTIFIED, *EXPOSURES)
KINDS = (CHANGE, MAST, RECIPES)  # of pairs of one file, in this order
Row = Entry | FileRow


def pairs(rows_now: Iterable[Row], rows_before: Iterable[Row] = ()) -> tuple[Pair, ...]:
    """Return the pairs of a generation, and of the one before it; the most important first.

    A result is compared with MAST's version of the file, and with its former version. A file of
    MAST is compared with its former version. Mosaics and cubes of different recipes are compared
    with each other. Versions of equal bytes, or of equal science identity, are no pair.
    """
    rows = [row for row in rows_now if suffix_of(row.path)]
    upstream = {_filename(row): row for row in rows if row.origin == UPSTREAM}
    before = {(row.origin, _filename(row)): row for row in rows_before if suffix_of(row.path)}
    made = {*_pairs(rows, upstream, before), *_of_recipes(rows)}
    return tuple(sorted(made, key=_importance))


def suffix_of(path: str) -> str:
    """Return the suffix of a file that is compared; "" for other files."""
    extension = path[path.rfind(".") :]
    suffix = root_and_suffix(path.rpartition("/")[2])[1] if extension in SUFFIXES else ""
    return suffix if suffix in SUFFIXES.get(extension, ()) else ""


def _filename(row: Row) -> str:
    return row.path.rpartition("/")[2]


def _pairs(
    rows: Iterable[Row], upstream: dict[str, Row], before: dict[tuple[str, str], Row]
) -> Iterator[Pair]:
    for row in rows:
        filename = _filename(row)
        former = before.get((row.origin, filename))
        if former is not None and _differ(former, row):
            yield _pair(CHANGE, former, row)
        if row.origin != UPSTREAM and filename in upstream and _differ(upstream[filename], row):
            yield _pair(MAST, upstream[filename], row)


def _of_recipes(rows: Iterable[Row]) -> Iterator[Pair]:
    combined = (
        row
        for row in rows
        if row.origin != UPSTREAM
        and suffix_of(row.path) in (*MOSAICS, *CUBES)
        and not is_of_exposure(_filename(row))
    )
    for versions in group_by(combined, _filename).values():
        for old, new in combinations(sorted(versions, key=lambda row: row.origin), 2):
            if old.origin != new.origin and _differ(old, new):
                yield _pair(RECIPES, old, new)


def _differ(old: Row, new: Row) -> bool:
    return old.sha256 != new.sha256 and not (old.identity and old.identity == new.identity)


def _pair(kind: PairKind, old: Row, new: Row) -> Pair:
    return Pair(
        kind=kind,
        filename=_filename(new),
        recipe=new.origin,
        old=old.sha256,
        new=new.sha256,
        versus=old.origin if kind == RECIPES else "",
    )


def _importance(pair: Pair) -> tuple[bool, int, str, int, str, str]:
    """Return the order of drawing: by kind and name; the user's own change before MAST's."""
    name = pair.filename
    kind = is_of_exposure(name), ORDER.index(suffix_of(name))
    return *kind, name, KINDS.index(pair.kind), pair.versus, pair.recipe


def is_of_exposure(filename: str) -> bool:
    """Return whether a product is of one exposure, and not combined."""
    return not candidate_of(filename)
