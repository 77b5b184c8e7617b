"""Mosaics that are aligned to a catalogue of Gaia: which ones, and their members."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.model import Recipe
from jwmirror.core.model.association import Association, Associations
from jwmirror.core.model.sky.slices import AlignedMosaic
from jwmirror.pipeline.gaia.catalogues import queried_catalogues
from jwmirror.planning.inputs import AvailableFiles
from jwmirror.planning.resolvers.by_environment import Resolvers, resolve_stage


def aligned_mosaics(
    available: AvailableFiles,
    associations: Associations,
    recipes: Iterable[Recipe],
    resolvers: Resolvers,
) -> Iterator[AlignedMosaic]:
    """Yield each mosaic whose steps will query Gaia, once for each catalogue.

    Those with a member that is not mirrored are left out, and those that a plan will refuse.
    """
    for recipe in recipes:
        for association in associations.of(recipe, 3):
            files = available.sources_of(association) if association.pipeline else ()
            catalogues = _catalogues(recipe, association, available, resolvers) if files else ()
            science = zip(association.science, files, strict=False)
            names = tuple(file.path or member.name for member, file in science)
            yield from (AlignedMosaic(catalogue, names, files) for catalogue in catalogues)


def _catalogues(
    recipe: Recipe, association: Association, available: AvailableFiles, resolvers: Resolvers
) -> Iterable[str]:
    with suppress(JwmirrorError):  # the plan will say why
        resolver = resolvers.of(recipe.python, recipe.context)
        members = available.members(association)
        stage = resolve_stage(resolver, recipe, association.pipeline, members)
        return set(queried_catalogues(stage.parameters, members[0]).values())
    return ()
