"""What a right config may not have meant, in words. Pure: no I/O."""

from collections.abc import Iterable, Iterator, Sequence

from jwmirror.archive.selection import select
from jwmirror.records import Listing, Product, Recipe, Selection

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
        if combining:
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
    samples = tuple(_association(selection.program, number, kind) for kind in KINDS)
    listing = Listing(program=selection.program, asked_at="", products=samples)
    return bool(select(listing, selection))


def _association(program: int, number: int, kind: str) -> Product:
    name = f"jw{program:05d}-o{number:03d}_20260101t000000_{kind}_00001_asn.json"
    return Product(
        uri=f"mast:JWST/product/{name}",
        filename=name,
        program=program,
        observation=f"o{number:03d}",
        suffix="asn",
    )
