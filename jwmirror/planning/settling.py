"""Associations that MAST has reprocessed only in part, and what waits for the rest. Pure.

docs/decisions/0005-settling.md describes the signs, and why they are chosen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from jwmirror.core.grouping import group_by
from jwmirror.core.model import Entry, Listing, Poll, Product, Recipe
from jwmirror.core.model.association import UNCAL, Association, Associations, root_of
from jwmirror.core.model.plan import Incomplete, SettleResult, Unsettled, Wait
from jwmirror.core.model.product import CALIBRATION, covered_by
from jwmirror.core.names import (
    instrument_of,
    is_named_by,
    is_observation,
    observation_of,
    parse_combined,
    root_and_suffix,
    stage_3_candidate,
)

CALIBRATED = 2  # MAST's calib_level from which DATE is the date of the calibration


@dataclass(frozen=True, kw_only=True)
class SettlePolicy:
    """The signs of a half-updated association that count; section `settle` of the config."""

    days: float = 3.0  # DATE of members may differ by as much; 0: DATE is ignored
    accept: tuple[str, ...] = ()  # programs and patterns of product names that do not wait


class ListedProducts:
    """The products of one listing, by file name and by association."""

    def __init__(self, listing: Listing):
        self.at, self.scope = _moment(listing.asked_at), listing.scope
        self.by_name = {product.filename: product for product in listing.products}
        self._by_root = group_by(listing.products, _root_and_candidate)
        combined = ((root, parse_combined(root)) for root, candidate in self._by_root)
        named = ((root, name) for root, name in combined if name)
        self._combined = group_by(named, lambda pair: pair[1][:2])  # candidate and instrument

    def may_have(self, filename: str) -> bool:
        """Return whether the query was for the observation of a file, too."""
        observation, instrument = observation_of(filename), instrument_of(filename)
        return self.scope is None or self.scope.includes(observation, instrument)

    def members_of(self, association: Association) -> list[Product]:
        """Return the files of an association's members, without those that stage 3 made of them."""
        return [product for root in association.roots for product in self._files(root)]

    def made_from(self, association: Association) -> list[Product]:
        """Return the files that its pipeline made: of its product, sources, cubes and exposures."""
        of_exposures = ((root, association.candidate) for root in association.roots)
        product, from_spectra = parse_combined(association.product), association.pipeline == "spec3"
        candidates = self._combined.get(product[:2], ()) if product else ()
        roots = [
            root
            for root, name in candidates
            if product and is_named_by(name, product, from_spectra=from_spectra)
        ]
        products = (file for root in roots or [association.product] for file in self._files(root))
        return [*products, *(file for key in of_exposures for file in self._files(*key))]

    def _files(self, root: str, candidate: str = "") -> Sequence[Product]:
        return self._by_root.get((root, candidate), ())


def _root_and_candidate(product: Product) -> tuple[str, str]:
    root, _ = root_and_suffix(product.filename)
    return root, stage_3_candidate(product.filename)


def find_unsettled(
    associations: Associations,
    poll: Poll,
    policy: SettlePolicy,
    former: SettleResult | None = None,
) -> SettleResult:
    """Return the associations that are half updated, and the ones with members that do not exist.

    `former` is the result of the run before. It dates what is still half updated, and is kept for
    programs that this poll did not ask for, and for associations with files that a doubt covers.
    Members are not missed in programs with doubts.
    """
    listed_by_program = {listing.program: ListedProducts(listing) for listing in poll.listings}
    is_doubted, doubted = covered_by(poll.doubts), {doubt.program for doubt in poll.doubts}
    before = {record.product: record for record in former.unsettled} if former else {}
    unsettled: list[Unsettled] = []
    incomplete: list[Incomplete] = []
    for association in associations.found:
        listed = listed_by_program.get(association.program)
        known = before.get(association.product)
        if listed is None or (known and any(map(is_doubted, _files(association, listed)))):
            unsettled += [known] if known else []
        elif association.name in listed.by_name:
            absent = _absent(association, listed) if association.program not in doubted else ()
            if absent:
                incomplete.append(Incomplete(association=association.name, absent=absent))
            why = _why(association, listed, policy)
            if why and not _is_accepted(association, policy.accept):
                unsettled.append(_unsettled(association, listed, why, before))
    return SettleResult(unsettled=tuple(unsettled), incomplete=tuple(incomplete))


# ---- what a plan leaves out ------------------------------------------------------------------


def settled_exposures(
    entries: Iterable[Entry], unsettled: Iterable[Unsettled], recipes: Iterable[Recipe]
) -> tuple[tuple[Entry, ...], tuple[Wait, ...]]:
    """Return the entries that a plan of exposures may use, and a wait for each other exposure."""
    unsettled_of = {root: record for record in unsettled for root in record.exposures}
    settled: list[Entry] = []
    waiting: list[Entry] = []
    for entry in entries:
        waits = root_of(entry.filename) in unsettled_of and entry.filename.endswith(UNCAL)
        (waiting if waits else settled).append(entry)
    roots = [(entry, root_of(entry.filename)) for entry in waiting]
    return tuple(settled), tuple(
        _wait(recipe, root, unsettled_of[root])
        for recipe in recipes
        for entry, root in roots
        if recipe.takes(entry.upstream.program) and {1, 2} & set(recipe.stages)
    )


def settled_associations(
    associations: Associations,
    unsettled: Iterable[Unsettled],
    recipes: Iterable[Recipe],
    stage: int = 3,
) -> tuple[Associations, tuple[Wait, ...]]:
    """Return the associations that a plan of a stage may use, and a wait for each other one."""
    unsettled_of = {record.product: record for record in unsettled}
    waits = (
        _wait(recipe, association.product, unsettled_of[association.product])
        for recipe in recipes
        for association in associations.of(recipe, stage)
        if association.product in unsettled_of
    )
    return associations.without(unsettled_of), tuple(waits)


def _wait(recipe: Recipe, product: str, unsettled: Unsettled) -> Wait:
    why = (
        f"MAST has half updated {unsettled.product}, seen first {unsettled.since}: "
        f"{unsettled.why}; it waits for the rest; settle.accept in the config overrides"
    )
    return Wait(recipe.name, product, why, "unsettled")


# ---- the files of an association -------------------------------------------------------------


def _absent(association: Association, listed: ListedProducts) -> tuple[str, ...]:
    """Return members of the association's program that MAST does not list."""
    own = f"jw{association.program:05d}"
    names = [member.name for member in association.members]
    return tuple(
        name
        for name in names
        if name.startswith(own) and name not in listed.by_name and listed.may_have(name)
    )


def _files(association: Association, listed: ListedProducts) -> list[Product]:
    """Return the listed files of an association's members and products, each once."""
    files = (*listed.members_of(association), *listed.made_from(association))
    return list({product.uri: product for product in files}.values())


def _unsettled(
    association: Association, listed: ListedProducts, why: str, before: Mapping[str, Unsettled]
) -> Unsettled:
    """Return the record. Exposures wait for associations of their observation only."""
    is_own = is_observation(association.candidate)
    members = listed.members_of(association) if is_own else ()
    waiting = (*members, *listed.made_from(association), listed.by_name[association.name])
    first = before.get(association.product)
    return Unsettled(
        association=association.name,
        product=association.product,
        program=association.program,
        why=why,
        since=first.since if first else listed.at.isoformat(timespec="seconds"),
        exposures=association.roots if is_own else (),
        uris=tuple(sorted({product.uri for product in waiting})),
    )


def _is_accepted(association: Association, accept: Iterable[str]) -> bool:
    patterns = tuple(accept)
    is_program = str(association.program) in patterns
    return is_program or any(fnmatchcase(association.product, each) for each in patterns)


def _why(association: Association, listed: ListedProducts, policy: SettlePolicy) -> str:
    """Return the signs that MAST has half updated an association; "" without signs."""
    files = _files(association, listed)
    fits = [product for product in files if product.filename.endswith(".fits")]
    return "; ".join((*_queued(fits), *_mixed(fits), *_spread(fits, listed.at, policy.days)))


def _queued(products: Sequence[Product]) -> Iterator[str]:
    queued = sorted(product.filename for product in products if product.stale)
    if queued:
        more = f" and {len(queued) - 1} more are" if len(queued) > 1 else " is"
        yield f"{queued[0]}{more} queued for reprocessing"


def _mixed(products: Sequence[Product]) -> Iterator[str]:
    """Yield the versions that differ among products of one level."""
    for level, of_level in _by_level(products):
        for field, label in CALIBRATION.items():
            values = {getattr(product, field) for product in of_level} - {None}
            if len(values) > 1:
                yield f"{label} {' and '.join(sorted(values))} at level {level}"


def _spread(products: Sequence[Product], at: datetime, days: float) -> Iterator[str]:
    """Yield the levels whose files were calibrated far apart, the last ones within `days`."""
    limit = timedelta(days=days)
    for level, of_level in _by_level(products):
        dates = sorted(_moment(product.date) for product in of_level if product.date)
        is_new = days and level >= CALIBRATED and len(dates) > 1 and at - dates[-1] < limit
        if is_new and dates[-1] - dates[0] > limit:
            first, last = dates[0].date(), dates[-1].date()
            yield f"DATE from {first} to {last} at level {level}"


def _by_level(products: Sequence[Product]) -> Iterator[tuple[int, list[Product]]]:
    of_known_level = (product for product in products if product.level is not None)
    return iter(sorted(group_by(of_known_level, lambda product: product.level or 0).items()))


def _moment(iso: str) -> datetime:
    when = datetime.fromisoformat(iso)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
