"""Exposures that recipes exclude, and the products that are made without them or not made. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from jwmirror.core.matching import criteria_of, matches
from jwmirror.core.model import Entry, Exclusion, Recipe
from jwmirror.core.model.association import UNCAL, Association, Associations, root_of
from jwmirror.core.model.plan import ExcludedFiles
from jwmirror.core.names import exposure_parts, root_and_suffix
from jwmirror.pipeline.registry import stage_that_makes

ProductName = tuple[str, str, int]  # recipe, product and stage
PASSES = 2  # from exposures to mosaics of direct images, and to grism exposures


def exclusion_of(recipe: Recipe, filename: str) -> Exclusion | None:
    """Return the first exclusion of a recipe that a file's exposure meets; None without one."""
    return next((e for e in recipe.exclude if _meets(e, filename)), None)


def _meets(exclusion: Exclusion, filename: str) -> bool:
    """Return whether a file's exposure meets an exclusion; all files of one do, or none."""
    parts = exposure_parts(filename)
    raw = f"{root_and_suffix(filename)[0]}{UNCAL}"
    return bool(parts) and matches(criteria_of(exclusion.match), {**parts, "file": raw}.get)


def without_excluded(associations: Associations, recipes: Iterable[Recipe]) -> Associations:
    """Return the associations without the members that recipes exclude.

    Those that lose all science members are in `unmade`.
    """
    chosen, unmade = dict(associations.chosen), {}
    for recipe in recipes:
        if recipe.exclude:
            of_recipe = chosen.get(recipe.name, associations.found)
            rest = [_without_excluded(association, recipe) for association in of_recipe]
            chosen[recipe.name] = tuple(each for each in rest if each.science)
            unmade[recipe.name] = tuple(each for each in rest if not each.science)
    return replace(associations, chosen=chosen, unmade=unmade)


def _without_excluded(association: Association, recipe: Recipe) -> Association:
    excluded = _excluded_members(association, recipe)
    rest = tuple(member for member in association.members if member.name not in excluded)
    return replace(association, members=rest, excluded=excluded)


def _excluded_members(association: Association, recipe: Recipe) -> dict[str, str]:
    """Return the file names of the members that a recipe excludes, and the reasons."""
    return {
        member.name: exclusion.because
        for member in association.members
        if (exclusion := exclusion_of(recipe, member.name))
    }


def made_of_excluded(
    associations: Associations, recipes: Iterable[Recipe]
) -> dict[ProductName, str]:
    """Return why recipes take no file of some products: these have excluded exposures.

    Products of MAST are mosaics of direct images, spectra of grisms that were extracted with these,
    and exposures from which others were subtracted. Products of a recipe may have exposures that
    another one excludes, which runs single steps on them.
    """
    return {
        (recipe.name, product, stage): _describe_content(excluded, recipe)
        for recipe in recipes
        if recipe.exclude
        for (product, stage), excluded in _excluded_content(
            associations.chosen.get(recipe.products_of, associations.found), recipe
        ).items()
        if excluded
    }


def _excluded_content(
    associations: Collection[Association], recipe: Recipe
) -> dict[tuple[str, int], dict[str, str]]:
    """Return the excluded exposures that each product is made of, by product and stage."""
    content: dict[tuple[str, int], dict[str, str]] = {}
    for association in associations:
        of_product = content.setdefault((association.product, association.stage), {})
        of_product |= _excluded_members(association, recipe)
    for _ in range(PASSES):
        for association in associations:
            for member in association.members:
                made = (root_of(member.name), stage_that_makes(member.name))
                content[association.product, association.stage] |= content.get(made, {})
    return content


def _describe_content(excluded: Mapping[str, str], recipe: Recipe) -> str:
    listed = "; ".join(f"{name}: {because}" for name, because in excluded.items())
    of, advice = "MAST's", "extend a recipe that makes it of the others"
    if recipe.products_of:
        of, advice = f"that of recipe {recipe.products_of}", "exclude them there"
    elif recipe.stages:
        advice = (
            "let the recipe make it of the others (stages, and asn in the products of its "
            "program), or name a file of your own in an association"
        )
    return f"{of} is made of exposures that recipe {recipe.name} excludes ({listed}); {advice}"


def excluded_exposures(recipe: Recipe, exposures: Iterable[Entry]) -> Iterator[ExcludedFiles]:
    """Yield the raw exposures that a recipe does not calibrate because it excludes them."""
    for entry in exposures:
        if exclusion := exclusion_of(recipe, entry.filename):
            yield ExcludedFiles(
                recipe=recipe.name,
                product=root_of(entry.filename),
                files={entry.filename: exclusion.because},
                is_made=False,
            )


def excluded_members(
    recipe: Recipe, associations: Associations, stage: int
) -> Iterator[ExcludedFiles]:
    """Yield the products of a stage that a recipe makes without some members, or does not make.

    Without the stage-2 products of exposures that stage 1 leaves out.
    """
    is_known = stage == 2 and 1 in recipe.stages
    unmade = () if is_known else associations.unmade_of(recipe, stage)
    for association in (*associations.of(recipe, stage), *unmade):
        if association.excluded:
            yield ExcludedFiles(
                recipe=recipe.name,
                product=association.product,
                files=association.excluded,
                is_made=bool(association.science),
            )


def unmatched_exclusions(
    entries: Iterable[Entry], associations: Associations, recipe: Recipe
) -> Iterator[Exclusion]:
    """Yield the exclusions that no exposure and no member of the recipe meets."""
    of_recipe = (associations.chosen, associations.unmade)
    for exclusion in recipe.exclude:
        filenames = chain(
            (entry.filename for entry in entries if recipe.takes(entry.upstream.program)),
            *(_members(choice.get(recipe.name, ())) for choice in of_recipe),
        )
        if not any(_meets(exclusion, filename) for filename in filenames):
            yield exclusion


def _members(associations: Iterable[Association]) -> Iterator[str]:
    """Yield the file names of members, also of excluded ones."""
    for association in associations:
        yield from (member.name for member in association.members)
        yield from association.excluded
