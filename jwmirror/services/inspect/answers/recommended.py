"""Which version of each mosaic and cube to use; the site and `products` ask here.

A version is fit for use if it is sound and up to date. Of several, that of the recipe that stands
first in the config is recommended. MAST's versions are not measured.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.model.plan import Published
from jwmirror.core.model.quality import SOUND, UNMEASURED, JudgedResult
from jwmirror.core.model.run import Run
from jwmirror.core.model.stored import GONE, Setup
from jwmirror.core.names import is_exposure_root, root_and_suffix
from jwmirror.report.history import generation_record
from jwmirror.report.quality import is_accepted, quality_of, quality_text
from jwmirror.report.site.mosaic_advice import PLAIN, Candidate, Choice
from jwmirror.report.status import build_status
from jwmirror.store.generations import StoredGeneration
from jwmirror.store.manifest import Entries
from jwmirror.store.runs import RunFiles, newest_first, read_if_written

COMBINED = ("_i2d.fits", "_s3d.fits")
RAW = "uncal"
AGE_COLUMNS = (
    *("path", "origin", "product_date", "product_instrument", "product_filter", "product_pupil"),
)

Subject = tuple[str, str]  # a folder of the view, and an exposure, or an instrument with filters


def is_mosaic(filename: str) -> bool:
    """Return whether a file combines exposures; those of one exposure have its root."""
    return filename.endswith(COMBINED) and not is_exposure_root(root_and_suffix(filename)[0])


def product_of(result: str, filename: str) -> str:
    """Return the product that a result belongs to; files of a cube have more parts in the name."""
    return result.partition("/")[2] or root_and_suffix(filename)[0]


def out_of_date_products(
    root: Path, current: StoredGeneration, run: Run | None
) -> frozenset[tuple[str, str]]:
    """Return the recipes and products that the last `run` left to be made again."""
    status = build_status(str(root), generation_record(current), (), run)
    return frozenset((each.recipe, each.product) for each in status.out_of_date)


# ---- the order of recipes ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RecipeOrder:
    """The recipes in the order of the config."""

    names: tuple[str, ...] = ()
    source: str = "by name, because no run has recorded the order in your config"

    def place(self, recipe: str) -> tuple[int, str]:
        """Return what recipes are sorted by; those that are not in the config come last."""
        names = self.names
        return names.index(recipe) if recipe in names else len(names), recipe


def recipe_order(root: Path, number: int, setup: Setup | None) -> RecipeOrder:
    """Return the order of the recipes: that of the last run that came to its publication.

    A run that only found another order publishes nothing, but records it. If no run has recorded
    one, it is the order in the `setup` of the generation `number`.
    """
    folders = newest_first(Path(root) / "receipts" / "runs")
    published = (read_if_written(RunFiles(folder).published, Published) for folder in folders)
    names = next((each.recipes for each in published if each and each.recipes), ())
    if names:
        return RecipeOrder(names=names, source="in your config at the last complete run")
    if setup and setup.recipes:
        names = tuple(recipe.name for recipe in setup.recipes)
        return RecipeOrder(names=names, source=f"as recorded with generation {number}")
    return RecipeOrder()


# ---- files of MAST that are older than their raw data ------------------------------------------


def made_before_raw_data(entries: Entries) -> dict[str, str]:
    """Return the files of MAST whose raw data were replaced since, by path: how, in words.

    Those of a combined product are the raw data of its observation, instrument and filters.
    """
    made, newest = [], dict[Subject, str]()
    for path, day, of_exposure, of_filter in _dated(entries):
        root, suffix = root_and_suffix(path.rpartition("/")[2])
        if suffix == RAW:
            for subject in (of_exposure, of_filter):
                newest[subject] = max(day, newest.get(subject, ""))
        elif is_exposure_root(root):
            made.append((path, day, of_exposure, "its raw data"))
        else:
            made.append((path, day, of_filter, "raw data of its observation and filter"))
    return {
        path: f"made before {whose} were replaced ({newest[subject]})"
        for path, day, subject, whose in made
        if newest.get(subject, "") > day
    }


def _dated(entries: Entries) -> Iterator[tuple[str, str, Subject, Subject]]:
    """Yield MAST's files with a date: path, day, and the exposure and filters that they show."""
    for path, origin, date, instrument, *filters in zip(
        *map(entries.column, AGE_COLUMNS), strict=True
    ):
        if origin == UPSTREAM and date:
            folder, _, filename = path.rpartition("/")
            of_filter = f"{instrument or ''} {optical_elements(*filters)}"
            yield path, date[:10], (folder, root_and_suffix(filename)[0]), (folder, of_filter)


@cache
def optical_elements(filter_: str | None, pupil: str | None) -> str:
    """Return the optical elements that say something: F200W, F444W+F405N."""
    names = [name for name in (filter_, pupil) if name and name.upper() not in ("CLEAR", "CLEARP")]
    return "+".join(names)


# ---- which version is recommended --------------------------------------------------------------


def mosaic_of(path: str) -> tuple[str, str]:
    """Return what the versions of a mosaic have in common: observation and file name."""
    *_, program, observation, filename = path.split("/")
    return f"{program}/{observation}", filename


def mosaic_faults(
    entries: Entries, out_of_date: Collection[tuple[str, str]], ages: Mapping[str, str]
) -> dict[str, str]:
    """Return why each version of each mosaic and cube is not fit for use, by path; "" if it is.

    In words that follow "the version": "has a caveat (noise)". `out_of_date` are recipes and
    products; `ages` are the files of MAST that are older than their raw data, in words. Caveats
    that the user has accepted count as sound. Of a version of MAST, "" says only that nothing
    newer is known. Pure.
    """
    return dict(_faults(entries, out_of_date, ages))


def _faults(
    entries: Entries, out_of_date: Collection[tuple[str, str]], ages: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for row, path in enumerate(entries.column("path")):
        if is_mosaic(filename := path.rpartition("/")[2]):
            entry = entries[row]
            product = entry.origin, product_of(entry.result, filename)
            is_old = bool(entry.key) and product in out_of_date
            yield path, _fault(entry, is_old, ages.get(path, ""))


def _fault(entry: Entry, is_out_of_date: bool, age: str) -> str:
    """Return the first of these that is so: what another run cannot change, quality, age."""
    if entry.state == GONE:
        return (
            "is not listed by MAST any more"
            if entry.product
            else "is made of files that MAST does not list any more"
        )
    if entry.deselected:
        return "is not selected by the config any more"
    if entry.product or not entry.key:
        is_stale = entry.product is not None and entry.product.stale
        return f"was {age}" if age else "is queued at MAST for reprocessing" if is_stale else ""
    quality = quality_of(entry)
    if is_out_of_date:
        return "is out of date: the next run makes it again"
    if quality.word == UNMEASURED:
        return "was not measured"
    return "" if quality.word == SOUND or is_accepted(quality) else f"has a {quality_text(quality)}"


def held_back_recipes(results: Iterable[JudgedResult]) -> dict[str, list[str]]:
    """Return the recipes whose versions of mosaics and cubes are not published, by file name."""
    found: dict[str, list[str]] = {}
    for result in results:
        for file in result.files if not result.is_published else ():
            if is_mosaic(file.filename):
                found.setdefault(file.filename, []).append(result.recipe)
    return found


def choice_of(
    filename: str,
    candidates: Iterable[Candidate],
    order: RecipeOrder,
    hidden: int = 0,
    held_back: Sequence[str] = (),
    typed: Callable[[str], str] = PLAIN,
) -> Choice:
    """Return which of the versions of a mosaic or cube to use: at most one.

    It is that of the first recipe in `order` whose version is fit for use. Without a version of a
    recipe, it is MAST's, if nothing newer is known; with `hidden` versions, MAST's is not alone.
    `held_back` are recipes whose versions are not published. Pure.
    """
    versions = sorted(candidates, key=lambda each: order.place(each.origin))
    own = [each for each in versions if each.origin != UPSTREAM]
    mast = next((each for each in versions if each.origin == UPSTREAM), None)
    alone = [mast] if mast and not own and not hidden else []
    chosen = next((each for each in (*own, *alone) if not each.fault), None)
    against = _why_not_mast(mast, chosen) if mast and chosen and chosen != mast else ""
    return Choice(
        filename=filename,
        chosen=chosen.origin if chosen else "",
        own=own,
        mast=mast,
        hidden=hidden,
        held_back=held_back,
        why_not_mast=against,
        typed=typed,
    )


def _why_not_mast(mast: Candidate, own: Candidate) -> str:
    """Return why not to use MAST's version beside a recommended one, in one sentence."""
    if mast.fault:
        return f"MAST's version {mast.fault}."
    differing = [
        f"{name} {theirs} (recipe {own.origin}: {ours})"
        for name, theirs, ours in (
            ("jwst", mast.jwst, own.jwst),
            ("CRDS context", mast.context, own.context),
        )
        if theirs and ours and theirs != ours
    ]
    if differing:
        return (
            f"MAST's version was made with {' and '.join(differing)}, and jwmirror does not "
            "measure it."
        )
    return "MAST's version was made without your parameters, and jwmirror does not measure it."
