"""Which products of a listing the user wants. Pure: no I/O."""

from collections.abc import Collection

from jwmirror.archive import names
from jwmirror.records import Listing, Product, Selection

COMBINED = 3  # MAST's calib_level from which a product may come from many detectors


def select(listing: Listing, selection: Selection) -> tuple[Product, ...]:
    """The products of a listing that a selection asks for, in the listing's order.

    A criterion drops a product only if the product has that property, with another value: an
    association or a pool has neither detector nor filter, a combined product no one detector.
    Candidates (c1001, a3001) combine observations, and go where observations are chosen.
    """
    if listing.program != selection.program:
        return ()
    criteria = _criteria(selection)
    return tuple(
        product
        for product in listing.products
        if all(_meets(product, name, wanted) for name, wanted in criteria.items())
    )


def unmatched(listing: Listing, selection: Selection) -> tuple[str, ...]:
    """What a selection names and no product of its program has: "filters: f200x"."""
    if listing.program != selection.program:
        return ()
    lacking = []
    for name, wanted in _criteria(selection).items():
        present = {value for product in listing.products for value in _values(product, name)}
        lacking += [f"{name}: {value}" for value in sorted(wanted - present)]
    if not lacking and not select(listing, selection):
        lacking.append("nothing has all the chosen properties at once")
    return tuple(lacking)


def _criteria(selection: Selection) -> dict[str, Collection[str]]:
    """Wanted values by property, spelled as `_values` spells them; absent where all are wanted."""
    observations = selection.observations
    wanted = {
        "observations": observations and [f"o{number:03d}" for number in observations],
        "instruments": selection.instruments,
        "detectors": selection.detectors,
        "exposure types": selection.exposure_types,
        "filters": selection.filters,
        "products": selection.products,
    }
    return {
        name: {value.lower() for value in values}
        for name, values in wanted.items()
        if values is not None
    }


def _values(product: Product, name: str) -> tuple[str, ...]:
    """What a product has of a property, in lower case; empty where that says nothing of it."""
    is_table = names.association(product.filename) is not None
    is_combined = is_table or (product.level or 0) >= COMBINED
    values = {
        "observations": () if product.observation == names.POOL else (product.observation,),
        "instruments": (product.instrument,),
        "detectors": () if is_combined else (product.detector,),
        "exposure types": () if is_table else (product.exp_type,),
        "filters": () if is_table else (product.filter, product.pupil),
        "products": (product.suffix,),
    }
    return tuple(value.lower() for value in values[name] if value)


def _meets(product: Product, name: str, wanted: Collection[str]) -> bool:
    values = _values(product, name)
    return not values or any(value in wanted for value in values)
