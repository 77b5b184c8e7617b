"""Choice of a recipe's associations: the user's own, MAST's, or ones generated from a pool.

Pure: the associations come as records.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jwmirror.core.matching import describe_match
from jwmirror.core.model import GONE, UPSTREAM, Entry, Recipe
from jwmirror.core.model.association import (
    SCIENCE,
    Association,
    Associations,
    Member,
    OwnFile,
    root_of,
)
from jwmirror.pipeline.associations.asn_types import with_type
from jwmirror.pipeline.headers import SHUTTERS_FILE, header_value, is_selected, parse_header
from jwmirror.pipeline.parameters.resolution import applies
from jwmirror.pipeline.registry import SINGLE_STEPS
from jwmirror.planning.exclusions import exclusion_of, unmatched_exclusions, without_excluded

POOL = "pool"
FIRST_INPUTS = {  # first stage of a recipe -> suffixes of the files that it starts from
    1: ("uncal",),
    2: ("rate", "rateints"),
    3: ("cal", "calints"),
}


@dataclass(frozen=True, kw_only=True)
class PoolRequest:
    """A request to generate a recipe's associations from a program's pool, for some exposures."""

    recipe: str
    program: int
    pool: Entry
    roots: tuple[str, ...]


def pool_requests(
    entries: Iterable[Entry], associations: Associations, recipes: Iterable[Recipe]
) -> tuple[PoolRequest, ...]:
    """Return a request for each recipe that selects exposures, or whose program has no association.

    Programs without a pool are left out; their recipes use MAST's associations.
    """
    entries = [entry for entry in entries if entry.origin == UPSTREAM and entry.product]
    pools = _latest_pools(entries)
    with_associations = {association.program for association in associations.found}
    return tuple(
        PoolRequest(recipe=recipe.name, program=program, pool=pools[program], roots=roots)
        for recipe in recipes
        for program in recipe.programs or sorted(pools)
        if program in pools and {2, 3} & set(recipe.stages)
        if recipe.select or program not in with_associations
        if (roots := _selected_roots(entries, recipe, program))
    )


def choose_associations(
    associations: Associations,
    entries: Iterable[Entry],
    recipes: Iterable[Recipe],
    generated: Mapping[tuple[str, int], Sequence[Association]],
    own: Mapping[str, Sequence[Association]],
) -> Associations:
    """Return the associations, with those that recipes use instead of MAST's.

    `generated` from pools, by recipe and program; `own` are the user's, by recipe. Own ones replace
    all others of their stage. If a recipe selects exposures of a program without a pool, it uses
    MAST's associations whose members are all selected. Members that a recipe excludes are left out
    of all of them.
    """
    entries, recipes = tuple(entries), tuple(recipes)
    with_generated = {name for name, _ in generated}
    chosen: dict[str, tuple[Association, ...]] = {}
    for recipe in recipes:
        if recipe.select or recipe.associations or recipe.name in with_generated:
            of_user = own.get(recipe.name, ())
            chosen[recipe.name] = _chosen(associations.found, entries, recipe, generated, of_user)
    return without_excluded(replace(associations, chosen=chosen), recipes)


def own_paths(
    own: Mapping[str, Iterable[Association]], recipes: Iterable[Recipe]
) -> dict[str, bool]:
    """Return the paths of the user's files that are inputs, and whether one is a science member.

    `own` are the user's associations, by recipe.
    """
    paths = {path: False for recipe in recipes for path in recipe.msa.values()}
    for association in (association for of_recipe in own.values() for association in of_recipe):
        for member in (member for member in association.members if member.path):
            paths[member.path] = paths.get(member.path, False) or member.exptype == SCIENCE
    return paths


def with_types(
    associations: Iterable[Association], entries: Sequence[Entry], own: Mapping[str, OwnFile]
) -> tuple[Association, ...]:
    """Return the user's associations with the types that fit their members, as far as known.

    The first science member decides. `own` are the files of the user, by path.
    """
    types: dict[str, str] = {}  # by root
    for entry in (entry for entry in entries if entry.product and entry.product.exp_type):
        types[root_of(entry.filename)] = entry.upstream.exp_type or ""
    for entry in (entry for entry in entries if entry.header):
        types[root_of(entry.filename)] = header_value(entry.header, "exp_type")

    def exp_type_of(member: Member) -> str:
        header = own[member.path].header if member.path else ""
        return header_value(header, "exp_type") if header else types.get(root_of(member.name), "")

    return tuple(
        with_type(association, exp_type_of(association.science[0])) for association in associations
    )


def exposures_of(entries: Sequence[Entry], recipe: Recipe) -> tuple[Entry, ...]:
    """Return the files that a recipe starts from, each with the header of its exposure if known.

    Those that it does not select, or excludes, are left out.
    """
    headers = {root_of(entry.filename): entry.header for entry in entries if entry.header}
    described = (
        replace(entry, header=entry.header or headers.get(root_of(entry.filename), ""))
        for entry in _first_inputs(entries, recipe)
    )
    return tuple(
        entry
        for entry in described
        if is_selected(recipe, entry) and not exclusion_of(recipe, entry.filename)
    )


def describe_unmatched(
    entries: Sequence[Entry], associations: Associations, recipe: Recipe
) -> Iterator[str]:
    """Yield a text for each part of a recipe that matches no exposure, so has no effect."""
    inputs = [e for e in _first_inputs(entries, recipe) if recipe.takes(e.upstream.program)]
    known = {entry.header for entry in inputs if entry.header}
    if inputs and not any(is_selected(recipe, entry) for entry in inputs):
        yield (
            f"none of the {len(inputs)} files it could start from matches "
            f"{describe_match(recipe.select)}"
        )
    for block in recipe.where if known else ():
        if not any(applies(block, header) for header in known):
            yield f"where {describe_match(block.match)} matches none of the mirrored exposures"
    asked = {parse_header(header).get(SHUTTERS_FILE) for header in known}
    for name in recipe.msa if known else ():
        if name not in asked:
            yield f"msa {name} is the MSAMETFL of none of the mirrored exposures"
    for exclusion in unmatched_exclusions(entries, associations, recipe):
        criteria = f"{describe_match(exclusion.match)} ({exclusion.because})"
        yield f"exclude {criteria} matches none of the mirrored exposures"


def _chosen(
    upstream: Iterable[Association],
    entries: Sequence[Entry],
    recipe: Recipe,
    generated: Mapping[tuple[str, int], Sequence[Association]],
    own: Sequence[Association],
) -> tuple[Association, ...]:
    own_stages = {association.stage for association in own}
    programs = {program for name, program in generated if name == recipe.name}
    others = [association for association in upstream if association.program not in programs]
    if recipe.select:
        inputs = _first_inputs(entries, recipe)
        left_out = {root_of(e.filename) for e in inputs if not is_selected(recipe, e)}
        others = [a for a in others if left_out.isdisjoint(a.roots)]
    others += [a for program in programs for a in generated[recipe.name, program]]
    chosen = [*own, *(a for a in others if a.stage not in own_stages)]
    return tuple(sorted(chosen, key=lambda a: (a.product, a.asn_type)))


def _selected_roots(entries: Iterable[Entry], recipe: Recipe, program: int) -> tuple[str, ...]:
    """Return the exposures of a program that a recipe selects."""
    selected = (entry for entry in _first_inputs(entries, recipe) if is_selected(recipe, entry))
    return tuple(sorted({root_of(e.filename) for e in selected if e.upstream.program == program}))


def _first_inputs(entries: Iterable[Entry], recipe: Recipe) -> Iterator[Entry]:
    """Yield the files that a recipe could start from, of all programs and selected or not."""
    if recipe.steps and not recipe.products_of:
        suffixes = tuple(suffix for step in recipe.steps for suffix in SINGLE_STEPS[step][0])
    else:
        suffixes = FIRST_INPUTS[min(recipe.stages, default=1)]
    return (entry for entry in entries if entry.product and entry.product.suffix in suffixes)


def _latest_pools(entries: Iterable[Entry]) -> dict[int, Entry]:
    pools = [entry for entry in entries if entry.upstream.suffix == POOL]
    ranked = sorted(pools, key=lambda entry: (entry.state != GONE, entry.filename))
    return {entry.upstream.program: entry for entry in ranked}
