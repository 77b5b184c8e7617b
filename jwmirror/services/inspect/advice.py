"""What a right config may not have meant, in words. Pure: no I/O."""

from collections.abc import Iterable, Iterator, Sequence

from jwmirror.archive.selection import select_products
from jwmirror.core.model import Listing, Product, Recipe, Selection

KINDS = ("image2", "image3", "spec2", "spec3", "tso3", "coron3", "ami3")


def advice(selections: Sequence[Selection], recipes: Iterable[Recipe]) -> Iterator[str]:
    """A line for each program that is mirrored without the associations that others rely on.

    Settling tells from them what MAST has half updated, and a recipe which exposures to combine.
    """
    recipes = tuple(recipes)
    for program in sorted({each.program for each in selections}):
        ours = [each for each in selections if each.program == program]
        if any(_takes_associations(each) for each in ours):
            continue
        combining = [r.name for r in recipes if program in r.programs and {2, 3} & set(r.stages)]
        lost = ["what MAST has half updated does not wait (settle)"]
        if combining and not any(_takes(each, _pool(program)) for each in ours):
            lost.append(
                f"stage 3, and what stage 2 takes from other exposures, finds nothing to combine "
                f"(recipe {', '.join(combining)})"
            )
        yield (
            f"program {program} is mirrored without its associations, so {'; and '.join(lost)}; "
            "add asn to its products"
        )


def _takes_associations(selection: Selection) -> bool:
    """Whether an association of one kind or another would be selected."""
    number = (selection.observations or (1,))[0]
    return _takes(selection, *(_association(selection.program, number, kind) for kind in KINDS))


def _takes(selection: Selection, *samples: Product) -> bool:
    listing = Listing(program=selection.program, asked_at="", products=samples)
    return bool(select_products(listing, selection))


def _association(program: int, number: int, kind: str) -> Product:
    place = f"o{number:03d}"
    name = f"jw{program:05d}-{place}_20260101t000000_{kind}_00001_asn.json"
    return _product(name, program, place, "asn")


def _pool(program: int) -> Product:
    """What associations can be made from where MAST's are not mirrored."""
    return _product(f"jw{program:05d}_20260101t000000_pool.csv", program, "pool", "pool")


def _product(name: str, program: int, observation: str, suffix: str) -> Product:
    return Product(
        uri=f"mast:JWST/product/{name}",
        filename=name,
        program=program,
        observation=observation,
        suffix=suffix,
    )
