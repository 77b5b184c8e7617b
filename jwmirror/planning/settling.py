"""Which associations MAST has half updated, so that what is of them waits. Pure: no I/O.

docs/decisions/0005-settling.md says what is looked at, and why.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from jwmirror.core.model import (
    Entry,
    Incomplete,
    Listing,
    Poll,
    Product,
    Recipe,
    Settling,
    Unsettled,
    Wait,
)
from jwmirror.core.model.association import UNCAL, Association, Associations, root_of
from jwmirror.core.model.product import CALIBRATION

CALIBRATED = 2  # MAST's calib_level from which DATE is when a file was calibrated


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for MAST, and for what not."""

    days: float = 3.0  # 0: DATE does not matter
    accept: tuple[str, ...] = ()  # programs, and patterns of product names


class Offered:
    """One listing, by what an association asks of it."""

    def __init__(self, listing: Listing):
        self.at = _moment(listing.asked_at)
        self.by_name = {product.filename: product for product in listing.products}
        self.by_root: dict[str, list[Product]] = defaultdict(list)
        for product in listing.products:
            self.by_root[root_of(product.filename)].append(product)

    def of(self, roots: Iterable[str]) -> list[Product]:
        """The products of some exposures or combined products, in order."""
        return [product for root in roots for product in self.by_root.get(root, ())]


def settling(
    associations: Associations,
    poll: Poll,
    patience: Patience,
    former: Settling | None = None,
) -> Settling:
    """What of the associations waits, since when, and what members do not exist.

    `former` is what the run before found: it tells since when, and stands for the programs that
    this poll did not ask for or did not believe.
    """
    offered = {
        listing.program: Offered(listing)
        for listing in poll.listings
        if str(listing.program) not in poll.doubts
    }
    known = {each.product: each for each in former.unsettled} if former else {}
    unsettled, incomplete = [], []
    for association in associations.found:
        listed = offered.get(association.program)
        if listed is None:
            unsettled += [known[association.product]] if association.product in known else []
        elif association.name in listed.by_name:
            absent = _absent(association, listed)
            incomplete += [Incomplete(association=association.name, absent=absent)] * bool(absent)
            why = _why(association, listed, patience)
            if why and not _is_accepted(association, patience.accept):
                unsettled.append(_unsettled(association, listed, why, known))
    return Settling(unsettled=tuple(unsettled), incomplete=tuple(incomplete))


# ---- what a plan leaves out ------------------------------------------------------------------


def settled_exposures(
    entries: Iterable[Entry], unsettled: Iterable[Unsettled], recipes: Iterable[Recipe]
) -> tuple[tuple[Entry, ...], tuple[Wait, ...]]:
    """The entries that a plan of exposures may use, and a wait for each exposure left out."""
    half = {root: each for each in unsettled for root in each.exposures}
    kept, waiting = [], []
    for entry in entries:
        root = root_of(entry.filename)
        (waiting if root in half and entry.filename.endswith(UNCAL) else kept).append(entry)
    waits = (
        _wait(recipe, root_of(entry.filename), half[root_of(entry.filename)])
        for recipe in recipes
        for entry in waiting
        if entry.product.program in recipe.programs and {1, 2} & set(recipe.stages)
    )
    return tuple(kept), tuple(waits)


def settled_associations(
    associations: Associations,
    unsettled: Iterable[Unsettled],
    recipes: Iterable[Recipe],
    stage: int = 3,
) -> tuple[Associations, tuple[Wait, ...]]:
    """The associations that a plan of a stage may use, and a wait for each one left out."""
    half = {each.product: each for each in unsettled}
    waits = (
        _wait(recipe, association.product, half[association.product])
        for recipe in recipes
        for association in associations.of(recipe, stage)
        if association.product in half
    )
    return associations.without(half), tuple(waits)


def _wait(recipe: Recipe, product: str, unsettled: Unsettled) -> Wait:
    why = (
        f"MAST has half updated {unsettled.product}, seen first {unsettled.since}: "
        f"{unsettled.why}; it waits for the rest; settle.accept in the config overrides"
    )
    return Wait(recipe=recipe.name, product=product, why=why, cause="unsettled")


# ---- what an association is made of ----------------------------------------------------------


def _absent(association: Association, listed: Offered) -> tuple[str, ...]:
    """Members of the association's own program that MAST does not list."""
    own = f"jw{association.program:05d}"
    names = [member.name for member in association.members]
    return tuple(name for name in names if name.startswith(own) and name not in listed.by_name)


def _unsettled(
    association: Association, listed: Offered, why: str, known: Mapping[str, Unsettled]
) -> Unsettled:
    """The record of one; exposures wait with the associations of their own observation only."""
    is_own = association.candidate.startswith("o")
    exposures = association.roots if is_own else ()
    waiting = [*listed.of({association.product, *exposures}), listed.by_name[association.name]]
    before = known.get(association.product)
    return Unsettled(
        association=association.name,
        product=association.product,
        program=association.program,
        why=why,
        since=before.since if before else listed.at.isoformat(timespec="seconds"),
        exposures=exposures,
        uris=tuple(sorted({product.uri for product in waiting})),
    )


def _is_accepted(association: Association, accept: Iterable[str]) -> bool:
    return any(
        each == str(association.program) or fnmatchcase(association.product, each)
        for each in accept
    )


def _why(association: Association, listed: Offered, patience: Patience) -> str:
    """What shows that MAST is not done with an association; "" if nothing does."""
    files = listed.of(dict.fromkeys((*association.roots, association.product)))
    fits = [product for product in files if product.filename.endswith(".fits")]
    return "; ".join((*_queued(fits), *_mixed(fits), *_spread(fits, listed.at, patience.days)))


def _queued(products: Sequence[Product]) -> Iterator[str]:
    queued = sorted(product.filename for product in products if product.stale)
    if queued:
        more = f" and {len(queued) - 1} more are" if len(queued) > 1 else " is"
        yield f"{queued[0]}{more} queued for reprocessing"


def _mixed(products: Sequence[Product]) -> Iterator[str]:
    """Versions that differ among products of one level."""
    for level, of_level in _by_level(products):
        for field, label in CALIBRATION.items():
            values = {getattr(product, field) for product in of_level} - {None}
            if len(values) > 1:
                yield f"{label} {' and '.join(sorted(values))} at level {level}"


def _spread(products: Sequence[Product], at: datetime, days: float) -> Iterator[str]:
    """Calibrated files of one level made far apart, the last of them lately."""
    limit = timedelta(days=days)
    for level, of_level in _by_level(products):
        dates = sorted(_moment(product.date) for product in of_level if product.date)
        is_new = days and level >= CALIBRATED and len(dates) > 1 and at - dates[-1] < limit
        if is_new and dates[-1] - dates[0] > limit:
            first, last = dates[0].date(), dates[-1].date()
            yield f"DATE from {first} to {last} at level {level}"


def _by_level(products: Sequence[Product]) -> Iterator[tuple[int, list[Product]]]:
    levels: dict[int, list[Product]] = defaultdict(list)
    for product in products:
        if product.level is not None:
            levels[product.level].append(product)
    return iter(sorted(levels.items()))


def _moment(iso: str) -> datetime:
    when = datetime.fromisoformat(iso)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
