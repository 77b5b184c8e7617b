"""Notes on programs that are mirrored without what their recipes need."""

from collections.abc import Iterable, Iterator, Sequence

from jwmirror.archive.selection import select_products
from jwmirror.core.model import Listing, Product, Recipe, Search, Selection
from jwmirror.core.model.derivation import OF_ASSOCIATIONS
from jwmirror.core.model.search import COMMISSIONING


def config_advice(selections: Sequence[Selection], recipes: Iterable[Recipe]) -> Iterator[str]:
    """Return a note for each program that is mirrored without its associations.

    Associations show which products MAST has reprocessed only in part, and which exposures a recipe
    has to combine.
    """
    recipes = tuple(recipes)
    for program in sorted({selection.program for selection in selections}):
        selected = [selection for selection in selections if selection.program == program]
        if any(_selects_associations(selection) for selection in selected):
            continue
        combining = [
            recipe.name
            for recipe in recipes
            if recipe.takes(program) and {2, 3} & set(recipe.stages) and not recipe.associations
        ]
        effects = [
            "files are published even if MAST has reprocessed only part of an association (settle)"
        ]
        if combining and not any(_selects(selection, _pool(program)) for selection in selected):
            effects.append(
                "stage 3, and stage 2 where it combines exposures, has nothing to combine "
                f"(recipe {', '.join(combining)})"
            )
        yield (
            f"program {program} is mirrored without its associations: {'; '.join(effects)}; "
            "add asn to its products"
        )


def search_notes(searches: Iterable[Search]) -> Iterator[str]:
    """Yield notes on searches, as far as they are known without asking MAST."""
    for search in searches:
        if COMMISSIONING in search.categories:
            yield f"{search.place}: data of commissioning (COM) may not be suitable for science"
        if not _selects_associations(search.criteria):
            yield (
                f"{search.place}: programs that are found are mirrored without their associations; "
                "stage 3, and stage 2 where it combines exposures, may have nothing to combine; "
                "add asn to its products"
            )


def _selects_associations(selection: Selection) -> bool:
    """Return whether an association of at least one type would be selected."""
    numbers = (f"o{number:03d}" for number in (selection.observations or (1,))[:1])
    samples = (
        _association(selection.program, name, kind)
        for name in (*numbers, *(selection.candidates or ()))
        for kind in OF_ASSOCIATIONS
    )
    return _selects(selection, *samples)


def _selects(selection: Selection, *samples: Product) -> bool:
    listing = Listing(program=selection.program, asked_at="", products=samples)
    return bool(select_products(listing, selection))


def _association(program: int, observation: str, kind: str) -> Product:
    name = f"jw{program:05d}-{observation}_20260101t000000_{kind}_00001_asn.json"
    return Product(f"mast:JWST/product/{name}", name, program, observation, "asn")


def _pool(program: int) -> Product:
    """Return a sample of the file from which associations are generated if MAST's are missing."""
    name = f"jw{program:05d}_20260101t000000_pool.csv"
    return Product(f"mast:JWST/product/{name}", name, program, "pool", "pool")
