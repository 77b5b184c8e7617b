"""Which products of a listing the user wants. Pure: no I/O."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from operator import attrgetter
from typing import NamedTuple

from jwmirror.core import names
from jwmirror.core.model import Listing, Product, Selection

COMBINED = 3  # MAST's calib_level from which a product may come from many detectors
RECOMMENDED = "recommended"
GROUP = "minimum recommended products"  # what CAOM calls them


class Kind(NamedTuple):
    """What criteria look at of a product; many products are of one kind, which is judged once."""

    observation: str
    suffix: str
    level: int | None
    instrument: str | None
    detector: str | None
    exp_type: str | None
    filter: str | None
    pupil: str | None
    grating: str | None
    subarray: str | None
    group: str | None
    is_table: bool = False  # an association or a pool


FACTS = attrgetter(*(name for name in Kind._fields if name != "is_table"))
Values = Callable[[Kind], tuple[str | None, ...]]


def _of_exposure(value: Values) -> Values:
    """A property that tables (associations, pools) do not have."""
    return lambda kind: () if kind.is_table else value(kind)


PROPERTIES: dict[str, Values] = {  # what a product has of each; nothing where it says nothing
    "observations": lambda kind: () if kind.observation == names.POOL else (kind.observation,),
    "instruments": lambda kind: (kind.instrument,),
    "detectors": _of_exposure(
        lambda kind: () if (kind.level or 0) >= COMBINED else (kind.detector,)
    ),
    "exposure types": _of_exposure(lambda kind: (kind.exp_type,)),
    "filters": _of_exposure(lambda kind: (kind.filter, kind.pupil)),
    "gratings": _of_exposure(lambda kind: (kind.grating,)),
    "subarrays": _of_exposure(lambda kind: (kind.subarray,)),
    "products": lambda kind: (
        kind.suffix,
        RECOMMENDED if (kind.group or "").lower() == GROUP else None,
    ),
    "levels": _of_exposure(lambda kind: (None if kind.level is None else str(kind.level),)),
}


def select_products(listing: Listing, selection: Selection) -> tuple[Product, ...]:
    """The products of a listing that a selection asks for, in the listing's order.

    A criterion drops a product only if the product has that property, with another value: an
    association or a pool has neither detector nor filter, a combined product no one detector.
    Candidates (c1001, a3001) combine observations, and go where observations are chosen.
    """
    if listing.program != selection.program:
        return ()
    return tuple(filter(_fits(selection), listing.products))


def unmatched_criteria(listing: Listing, selection: Selection) -> tuple[str, ...]:
    """What a selection names and no product of its program has: "filters: f200x"."""
    if listing.program != selection.program:
        return ()
    lacking = []
    kinds = _kinds(listing)
    for name, wanted in _criteria(selection).items():
        present = {value for kind in kinds for value in _values(kind, name)}
        lacking += [f"{name}: {value}" for value in sorted(wanted - present)]
    for name, patterns in (("files", selection.files), ("exclude", selection.exclude)):
        for pattern in patterns or ():
            matches = _like((pattern,))
            if not any(matches(product.filename) for product in listing.products):
                lacking.append(f"{name}: {pattern}")
    if not lacking and not any(map(_fits(selection), listing.products)):
        lacking.append("nothing has all the chosen properties at once")
    return tuple(lacking)


def _criteria(selection: Selection) -> dict[str, set[str]]:
    """Wanted values by property, in lower case; absent where all are wanted."""
    observations = selection.observations
    wanted = {
        "observations": observations and [f"o{number:03d}" for number in observations],
        "instruments": selection.instruments,
        "detectors": selection.detectors,
        "exposure types": selection.exposure_types,
        "filters": selection.filters,
        "gratings": selection.gratings,
        "subarrays": selection.subarrays,
        "products": selection.products,
        "levels": selection.levels,
    }
    return {
        name: {str(value).lower() for value in values}
        for name, values in wanted.items()
        if values is not None
    }


def _fits(selection: Selection) -> Callable[[Product], bool]:
    """Whether a product has all that a selection asks for."""
    tests = []
    if criteria := _criteria(selection):
        tests.append(_of_kind(criteria))
    if selection.observed:
        tests.append(_taken(*selection.observed))
    if selection.files is not None:
        matches = _like(selection.files)
        tests.append(lambda product: matches(product.filename))
    if selection.exclude:
        excludes = _like(selection.exclude)
        tests.append(lambda product: not excludes(product.filename))
    return tests[0] if len(tests) == 1 else lambda product: all(test(product) for test in tests)


def _of_kind(criteria: dict[str, set[str]]) -> Callable[[Product], bool]:
    """Whether what a product has of each property is wanted, or it has nothing of it."""
    verdicts: dict[tuple[tuple, bool], bool] = {}

    def judge(facts: tuple, is_table: bool) -> bool:
        kind = Kind(*facts, is_table)
        had = ((_values(kind, name), wanted) for name, wanted in criteria.items())
        return all(not values or not wanted.isdisjoint(values) for values, wanted in had)

    def test(product: Product) -> bool:
        facts = FACTS(product), _is_table(product)
        if facts not in verdicts:
            verdicts[facts] = judge(*facts)
        return verdicts[facts]

    return test


def _kinds(listing: Listing) -> list[Kind]:
    """The kinds of a listing's products."""
    found = {(FACTS(product), _is_table(product)) for product in listing.products}
    return [Kind(*facts, is_table) for facts, is_table in found]


def _taken(first: str, last: str) -> Callable[[Product], bool]:
    """Whether a product was taken between two days, both included; "" leaves an end open."""

    def test(product: Product) -> bool:
        day = (product.date_obs or "")[:10]
        return not day or _is_table(product) or (first <= day and (not last or day <= last))

    return test


def _like(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a file name fits one of some shell-style patterns; case counts."""
    found = re.compile("|".join(translate(pattern) for pattern in patterns) or r"(?!)")
    return lambda filename: found.match(filename) is not None


def _values(kind: Kind, name: str) -> list[str]:
    """What a kind has of a property, in lower case; empty where that says nothing of it."""
    return [value.lower() for value in PROPERTIES[name](kind) if value]


def _is_table(product: Product) -> bool:
    return names.association(product.filename) is not None
