"""Which products of a listing the user wants. Pure: no I/O."""

import re
from collections.abc import Callable, Collection, Iterable
from fnmatch import translate

from jwmirror.archive import names
from jwmirror.records import Listing, Product, Selection

COMBINED = 3  # MAST's calib_level from which a product may come from many detectors
RECOMMENDED = "recommended"
GROUP = "minimum recommended products"  # what CAOM calls them

Values = Callable[[Product], tuple[str | None, ...]]


def _of_exposure(value: Values) -> Values:
    """A property that tables (associations, pools) do not have."""
    return lambda product: () if _is_table(product) else value(product)


PROPERTIES: dict[str, Values] = {  # what a product has of each; nothing where it says nothing
    "observations": lambda p: () if p.observation == names.POOL else (p.observation,),
    "instruments": lambda p: (p.instrument,),
    "detectors": lambda p: () if _is_combined(p) else (p.detector,),
    "exposure types": _of_exposure(lambda p: (p.exp_type,)),
    "filters": _of_exposure(lambda p: (p.filter, p.pupil)),
    "gratings": _of_exposure(lambda p: (p.grating,)),
    "subarrays": _of_exposure(lambda p: (p.subarray,)),
    "products": lambda p: (p.suffix, RECOMMENDED if (p.group or "").lower() == GROUP else None),
    "levels": _of_exposure(lambda p: (None if p.level is None else str(p.level),)),
}


def select(listing: Listing, selection: Selection) -> tuple[Product, ...]:
    """The products of a listing that a selection asks for, in the listing's order.

    A criterion drops a product only if the product has that property, with another value: an
    association or a pool has neither detector nor filter, a combined product no one detector.
    Candidates (c1001, a3001) combine observations, and go where observations are chosen.
    """
    if listing.program != selection.program:
        return ()
    tests = _tests(selection)
    return tuple(product for product in listing.products if all(test(product) for test in tests))


def unmatched(listing: Listing, selection: Selection) -> tuple[str, ...]:
    """What a selection names and no product of its program has: "filters: f200x"."""
    if listing.program != selection.program:
        return ()
    lacking = []
    for name, wanted in _criteria(selection).items():
        combinations = {_raw(product, name) for product in listing.products}
        present = {value for raw in combinations for value in _spelled(raw)}
        lacking += [f"{name}: {value}" for value in sorted(wanted - present)]
    for name, patterns in (("files", selection.files), ("exclude", selection.exclude)):
        for pattern in patterns or ():
            matches = _like((pattern,))
            if not any(matches(product.filename) for product in listing.products):
                lacking.append(f"{name}: {pattern}")
    if not lacking and not select(listing, selection):
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


def _tests(selection: Selection) -> list[Callable[[Product], bool]]:
    """A test per criterion."""
    tests = [_test(name, wanted) for name, wanted in _criteria(selection).items()]
    if selection.observed:
        tests.append(_taken(*selection.observed))
    if selection.files is not None:
        matches = _like(selection.files)
        tests.append(lambda product: matches(product.filename))
    if selection.exclude:
        excludes = _like(selection.exclude)
        tests.append(lambda product: not excludes(product.filename))
    return tests


def _test(name: str, wanted: Collection[str]) -> Callable[[Product], bool]:
    verdicts: dict[tuple[str | None, ...], bool] = {}  # products share values: judge each once

    def test(product: Product) -> bool:
        raw = _raw(product, name)
        if raw not in verdicts:
            values = _spelled(raw)
            verdicts[raw] = not values or any(value in wanted for value in values)
        return verdicts[raw]

    return test


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


def _raw(product: Product, name: str) -> tuple[str | None, ...]:
    return PROPERTIES[name](product)


def _spelled(raw: tuple[str | None, ...]) -> list[str]:
    """What a product has of a property, in lower case; empty where that says nothing of it."""
    return [value.lower() for value in raw if value]


def _is_table(product: Product) -> bool:
    return names.association(product.filename) is not None


def _is_combined(product: Product) -> bool:
    return (product.level or 0) >= COMBINED or _is_table(product)
