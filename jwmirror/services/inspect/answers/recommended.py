"""Which mosaics and cubes can be used without a further look; the site and `products` ask here."""

from collections.abc import Collection, Iterator
from pathlib import Path

from jwmirror.core.model import Entry
from jwmirror.core.model.quality import CAVEAT, SOUND
from jwmirror.core.model.stored import GONE
from jwmirror.core.names import is_exposure_root, root_and_suffix
from jwmirror.report.history import generation_record
from jwmirror.report.quality import is_accepted, quality_of
from jwmirror.report.status import build_status
from jwmirror.store.generations import StoredGeneration
from jwmirror.store.manifest import Entries
from jwmirror.store.runs import last_run

COMBINED = ("i2d", "s3d")
COLUMNS = ("path", "origin", "key", "result")


def is_mosaic(filename: str) -> bool:
    """Return whether a file combines exposures; those of one exposure have its root."""
    root, suffix = root_and_suffix(filename)
    return suffix in COMBINED and filename.endswith(".fits") and not is_exposure_root(root)


def product_of(result: str, filename: str) -> str:
    """Return the product that a result belongs to; files of a cube have more parts in the name."""
    return result.partition("/")[2] or root_and_suffix(filename)[0]


def out_of_date_products(root: Path, current: StoredGeneration) -> frozenset[tuple[str, str]]:
    """Return the recipes and products that the last run left to be made again."""
    status = build_status(str(root), generation_record(current), (), last_run(root))
    return frozenset((each.recipe, each.product) for each in status.out_of_date)


def recommended_paths(entries: Entries, out_of_date: Collection[tuple[str, str]]) -> set[str]:
    """Return the paths of the mosaics and cubes of recipes that are sound and up to date.

    Caveats that the user has accepted count as sound. A file that MAST does not list any more, or
    that the config does not select, is not up to date. Pure.
    """
    return set(_recommended(entries, out_of_date))


def _recommended(entries: Entries, out_of_date: Collection[tuple[str, str]]) -> Iterator[str]:
    columns = map(entries.column, COLUMNS)
    for row, (path, origin, key, result) in enumerate(zip(*columns, strict=True)):
        if not key or not is_mosaic(filename := path.rpartition("/")[2]):
            continue
        product = origin, product_of(result, filename)
        if product not in out_of_date and _is_fine(entries[row]):
            yield path


def _is_fine(entry: Entry) -> bool:
    if entry.state == GONE or entry.deselected:
        return False
    return entry.quality == SOUND or (entry.quality == CAVEAT and is_accepted(quality_of(entry)))
