"""Levels of associations: which ones are planned before, and which after stage 3 of direct images.

Stage 2 of a grism exposure (NIRISS, NIRCam) reads the catalogue, the segmentation map and the
combined image of its direct images. If the recipe makes these, its grism associations have levels
of their own, after all other associations: docs/decisions/0040-grism-loop.md. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jwmirror.core.model import Recipe
from jwmirror.core.model.association import Association, Associations, root_of
from jwmirror.core.model.plan import GRISM, LEVELS, STEPS

Names = frozenset[tuple[str, str]]  # pipeline and product of associations


@dataclass(frozen=True)
class AssociationLevel:
    """The associations of one stage that are planned together."""

    stage: int
    is_after_images: bool = False
    grisms: Mapping[str, Names] = field(default_factory=dict)  # as `grism_associations`

    def of(self, associations: Associations, recipe: Recipe) -> tuple[Association, ...]:
        """Return the associations of a recipe that belong to the level."""
        names = self.grisms.get(recipe.name, frozenset())
        return tuple(
            each
            for each in associations.of(recipe, self.stage)
            if ((each.pipeline, each.product) in names) == self.is_after_images
        )


def grism_associations(associations: Associations, recipes: Iterable[Recipe]) -> dict[str, Names]:
    """Return, by recipe, the associations that need products which its stage 3 makes.

    They are those of stage 2 with such a member, and those of stage 3 that combine their products.
    Recipes without any are left out.
    """
    names = {recipe.name: _grism_associations(associations, recipe) for recipe in recipes}
    return {recipe: of_recipe for recipe, of_recipe in names.items() if of_recipe}


def _grism_associations(associations: Associations, recipe: Recipe) -> Names:
    combined = associations.of(recipe, 3)
    made = {association.product for association in combined}
    second = [each for each in associations.of(recipe, 2) if not made.isdisjoint(each.roots)]
    exposures = {root for association in second for root in _science_roots(association)}
    third = (each for each in combined if not exposures.isdisjoint(_science_roots(each)))
    return frozenset((each.pipeline, each.product) for each in (*second, *third))


def _science_roots(association: Association) -> set[str]:
    return {root_of(member.name) for member in association.science if not member.path}


def images_of_mast(associations: Associations, recipe: Recipe) -> tuple[str, ...]:
    """Return the products of direct images that a recipe's own associations leave to MAST.

    MAST's associations of them are replaced by the recipe's, whose products have other names, so
    its grism exposures read MAST's files.
    """
    combined = associations.of(recipe, 3)
    if not recipe.associations or not combined:
        return ()
    made = {association.product for association in combined}
    of_mast = {each.product for each in associations.found if each.stage == 3} - made
    roots = {root for association in associations.of(recipe, 2) for root in association.roots}
    return tuple(sorted(roots & of_mast))


def levels_of(grisms: Mapping[str, Names], recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """Return the names of the levels of a run, in order."""
    has_steps = any(recipe.steps for recipe in recipes)
    return tuple(
        level
        for level in LEVELS
        if (grisms or not level.startswith(GRISM)) and (has_steps or level != STEPS)
    )


def level_of(name: str, grisms: Mapping[str, Names]) -> AssociationLevel:
    """Return the level of associations of a name."""
    return AssociationLevel(int(name[-1]), name.startswith(GRISM), grisms)
