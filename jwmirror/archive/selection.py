"""Selection of what the user wants: the part of a program to query, and its products. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from operator import attrgetter

from jwmirror.core import names
from jwmirror.core.matching import (
    KEYS,
    PAIR,
    PLACES,
    Criteria,
    criteria_of,
    matches,
    name_test,
    normalise_value,
    values_of,
)
from jwmirror.core.model import AUTO, Listing, Product, Scope, Selection

COMBINED = 3  # MAST's calib_level from which a product may come from many detectors
RECOMMENDED = "recommended"
AUXILIARY = "AUXILIARY"  # productType of CAOM
GROUP = "minimum recommended products"  # what CAOM calls them
PROPERTIES = frozenset(("observation", "suffix", "level"))  # that decide what others say
TABLES = frozenset(("asn", "pool"))  # suffixes
OF_TABLES = frozenset({"observation", "instrument", "suffix", "kind", "group"})
NO_OBSERVATION = frozenset(("", names.POOL, names.OTHER))  # in place of one
EVERYWHERE = "FGS"  # its files of guide stars are listed with observations of all instruments
CRITERIA = {**KEYS, "products": "product", "levels": "level"}  # of a selection: the key of each


def scope_to_query(
    program: int, selections: Iterable[Selection], held: Iterable[tuple[str, str | None]]
) -> Scope:
    """Return the observations and instruments that are selected, or that the mirror has.

    `held` are observations with an instrument. What the mirror has is queried even if it is not
    selected any more: its access may change.
    """
    observations: set[str] | None = set()
    instruments: set[str] | None = set()
    for selection in selections:
        wanted = selection.instruments
        observations = _union(observations, selection.parts)
        instruments = _union(instruments, None if wanted is None else map(normalise_value, wanted))
    parts = set(held)
    observations = _union(observations, {name for name, _ in parts} - NO_OBSERVATION)
    instruments = _union(instruments, (name for _, name in parts if name))
    if instruments and EVERYWHERE in instruments:
        instruments = None
    return Scope(
        program=program,
        observations=tuple(sorted(observations or ())),
        instruments=tuple(sorted(instruments or ())),
    )


def _union(some: set[str] | None, more: Iterable[str] | None) -> set[str] | None:
    """Return all values of both; None if either is not limited."""
    return None if some is None or more is None else some | set(more)


def select_products(listing: Listing, selection: Selection) -> tuple[Product, ...]:
    """Return the products of a listing that a selection asks for, in the listing's order.

    A criterion excludes a product only if the product has another value of that property: an
    association or a pool has neither detector nor filter, a combined product no single detector.
    Candidates (c1001, a3001) combine observations. Where observations are chosen, they are included
    only if they are chosen, too.
    """
    if listing.program != selection.program:
        return ()
    return tuple(filter(_is_selected(selection, listing), listing.products))


def unmatched_criteria(listing: Listing, selection: Selection) -> tuple[str, ...]:
    """Return the values of a selection that no product of its program has: "filters: f200x"."""
    if listing.program != selection.program:
        return ()
    lacking = []
    criteria = _criteria(selection, listing)
    kind_of = _kinds(criteria)
    kinds = {kind_of(product): product for product in listing.products}.values()
    for name, key in CRITERIA.items():
        present = {value for kind in kinds for value in values_of(key, partial(_value, kind))}
        for value in sorted(criteria.get(key, frozenset()) - present):
            pairs = sorted(pair.lower() for pair in present if value in pair.split(PAIR))
            only = f" (only {', '.join(pairs)})" if pairs else ""
            is_candidate = name == "observations" and not value.startswith("O")
            words = "candidates" if is_candidate else name.replace("_", " ")
            lacking.append(f"{words}: {value.lower()}{only}")
    exclude = () if listing.scope else selection.exclude  # files of the rest may match
    for name, patterns in (("files", selection.files), ("exclude", exclude)):
        for pattern in patterns or ():
            is_like = name_test((pattern,))
            if not any(is_like(product.filename) for product in listing.products):
                lacking.append(f"{name}: {pattern}")
    if not lacking and not any(map(_is_selected(selection, listing), listing.products)):
        lacking.append("nothing has all the chosen properties at once")
    return tuple(lacking)


def _criteria(selection: Selection, listing: Listing) -> Criteria:
    """Return the wanted values by key; a key is absent where all values are wanted."""
    wanted = {key: getattr(selection, name) for name, key in CRITERIA.items()}
    wanted["observation"] = _wanted_observations(selection, listing)
    return criteria_of({key: values for key, values in wanted.items() if values is not None})


def _wanted_observations(selection: Selection, listing: Listing) -> tuple[str, ...] | None:
    """Return the wanted observations and candidates (o001, c1001); None if all are wanted."""
    parts = selection.parts
    if parts is None or AUTO not in parts:
        return parts
    wanted = [part for part in parts if part != AUTO]
    return (*wanted, *_candidates_of(listing, wanted))


def _candidates_of(listing: Listing, observations: Collection[str]) -> Iterator[str]:
    """Yield the candidates that contain one of some observations, or whose members are unknown."""
    for name in sorted({product.observation for product in listing.products}):
        if not names.is_observation(name) and name not in NO_OBSERVATION:
            members = listing.candidates.get(name, observations)
            if not frozenset(members).isdisjoint(observations):
                yield name


def _is_selected(selection: Selection, listing: Listing) -> Callable[[Product], bool]:
    """Return a test: True if a product meets all of a selection."""
    criteria = _criteria(selection, listing)
    tests: list[Callable[[Product], bool]] = []
    if criteria:
        tests.append(_meets(criteria))
    if selection.observed:
        tests.append(_observed_between(*selection.observed))
    if selection.files is not None:
        is_wanted = name_test(selection.files)
        tests.append(lambda product: is_wanted(product.filename))
    tests += _switched_off(selection)
    if selection.exclude:
        is_excluded = name_test(selection.exclude)
        tests.append(lambda product: not is_excluded(product.filename))
    return tests[0] if len(tests) == 1 else lambda product: all(test(product) for test in tests)


def _switched_off(selection: Selection) -> Iterator[Callable[[Product], bool]]:
    """Yield tests: True if a product is not of a kind that is switched off."""
    if not selection.guide_stars:
        yield lambda product: names.guiding_type(product.filename) is None
    if not selection.previews:
        yield lambda product: product.suffix not in names.PREVIEWS
    if not selection.auxiliary:
        yield lambda product: (product.caom_type or "").upper() != AUXILIARY


def _meets(criteria: Criteria) -> Callable[[Product], bool]:
    """Return a test: True if a product meets criteria, or has no value that would exclude it."""

    met: dict[object, bool] = {}  # by kind
    kind_of = _kinds(criteria)

    def meets(product: Product) -> bool:
        kind = kind_of(product)
        if kind not in met:
            met[kind] = matches(criteria, partial(_value, product), if_unknown=True)
        return met[kind]

    return meets


def _kinds(criteria: Criteria) -> Callable[[Product], object]:
    """Return a function: the properties of a product that criteria look at.

    Products that agree in them are judged once.
    """
    places = {place for key in criteria for place in PLACES.get(key, (key,))} - {"kind"}
    return attrgetter(*sorted(PROPERTIES | places))


def _value(product: Product, key: str) -> object:
    """Return the value for a key of criteria; None where the property says nothing."""
    if key not in OF_TABLES and product.suffix in TABLES:
        return None
    if key == "observation" and product.observation in NO_OBSERVATION:
        return None
    if key == "detector" and (product.level or 0) >= COMBINED:
        return None
    if key == "kind":
        return names.NUMBERED.sub("", product.suffix)
    if key == "group":
        return RECOMMENDED if (product.group or "").lower() == GROUP else None
    return getattr(product, key)


def _observed_between(first: str, last: str) -> Callable[[Product], bool]:
    """Return a test: True if a product was observed between two days, both included.

    "" leaves an end open; a product without a day passes.
    """

    def test(product: Product) -> bool:
        day = (product.date_obs or "")[:10]
        return not day or product.suffix in TABLES or (first <= day and (not last or day <= last))

    return test
