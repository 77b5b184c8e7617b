"""Which associations a recipe uses: the user's own, the archive's, or ones made from a pool.

Pure: what pools give comes in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jwmirror.core.matching import describe_match
from jwmirror.core.model import GONE, UPSTREAM, Entry, Recipe
from jwmirror.core.model.association import Association, Associations, root_of
from jwmirror.pipeline.headers import is_selected
from jwmirror.pipeline.parameters.resolution import applies

POOL = "pool"
STARTS = {1: ("uncal",), 2: ("rate", "rateints"), 3: ("cal", "calints")}  # by stage: suffixes


@dataclass(frozen=True, kw_only=True)
class Request:
    """Associations that a recipe needs made from a program's pool, of these exposures alone."""

    recipe: str
    program: int
    pool: Entry
    roots: tuple[str, ...]


def requests(
    entries: Iterable[Entry], associations: Associations, recipes: Iterable[Recipe]
) -> tuple[Request, ...]:
    """What is to be made: for recipes that take a part of a program, and where MAST has nothing.

    Needs the pool of the program; without it the archive's associations are all there is.
    """
    entries = [entry for entry in entries if entry.origin == UPSTREAM and entry.product]
    pools = _latest_pools(entries)
    answered = {each.program for each in associations.found}
    return tuple(
        Request(recipe=recipe.name, program=program, pool=pools[program], roots=roots)
        for recipe in recipes
        for program in recipe.programs
        if program in pools and {2, 3} & set(recipe.stages)
        if recipe.select or program not in answered
        if (roots := _roots(entries, recipe, program))
    )


def choose(
    associations: Associations,
    entries: Iterable[Entry],
    recipes: Iterable[Recipe],
    made: Mapping[tuple[str, int], Sequence[Association]],
    own: Mapping[str, Sequence[Association]],
) -> Associations:
    """The associations with what recipes take instead of the archive's.

    `made` from pools, by recipe and program; `own` by recipe. Own files stand in for all others
    of their stage; a recipe that takes a part of a program, without a pool, has those of the
    archive that lie wholly in it.
    """
    entries = tuple(entries)
    chosen = {
        recipe.name: _chosen(associations.found, entries, recipe, made, own.get(recipe.name, ()))
        for recipe in recipes
        if recipe.select or recipe.associations or any(of == recipe.name for of, _ in made)
    }
    return replace(associations, chosen=chosen)


def unmatched(entries: Iterable[Entry], recipe: Recipe) -> Iterator[str]:
    """What a recipe says of exposures of which none is held, in words: it has no effect."""
    starts = [e for e in _starts(entries, recipe) if e.product.program in recipe.programs]
    known = {entry.header for entry in starts if entry.header}
    if starts and not any(is_selected(recipe, entry) for entry in starts):
        yield (
            f"none of the {len(starts)} files it could start from is of "
            f"{describe_match(recipe.select)}"
        )
    for block in recipe.where if known else ():
        if not any(applies(block, header) for header in known):
            yield f"where {describe_match(block.match)} matches none of the exposures held"


def _chosen(
    found: Iterable[Association],
    entries: Sequence[Entry],
    recipe: Recipe,
    made: Mapping[tuple[str, int], Sequence[Association]],
    own: Sequence[Association],
) -> tuple[Association, ...]:
    own_stages = {each.stage for each in own}
    programs = {program for of, program in made if of == recipe.name}
    whole = [each for each in found if each.program not in programs]
    if recipe.select:
        out = {root_of(e.filename) for e in _starts(entries, recipe) if not is_selected(recipe, e)}
        whole = [each for each in whole if not _has_any(each, out)]
    others = [*whole, *(each for program in programs for each in made[recipe.name, program])]
    kept = [e for e in others if e.stage not in own_stages]
    return tuple(sorted((*own, *kept), key=lambda each: (each.product, each.asn_type)))


def _has_any(association: Association, roots: set[str]) -> bool:
    return not roots.isdisjoint(association.roots)


def _roots(entries: Iterable[Entry], recipe: Recipe, program: int) -> tuple[str, ...]:
    """The exposures of a program that a recipe takes."""
    ours = (entry for entry in _starts(entries, recipe) if is_selected(recipe, entry))
    return tuple(sorted({root_of(e.filename) for e in ours if e.product.program == program}))


def _starts(entries: Iterable[Entry], recipe: Recipe) -> Iterator[Entry]:
    """The files of exposures that a recipe starts from, whether it takes them or not."""
    start = min(recipe.stages, default=1)
    return (entry for entry in entries if entry.product and entry.product.suffix in STARTS[start])


def _latest_pools(entries: Iterable[Entry]) -> dict[int, Entry]:
    pools = [entry for entry in entries if entry.product.suffix == POOL]
    ranked = sorted(pools, key=lambda entry: (entry.state != GONE, entry.filename))
    return {entry.product.program: entry for entry in ranked}
