"""The user's files that recipes take as inputs: a missing one is named with its line."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jwmirror.config.selections import own_associations
from jwmirror.config.yaml_files import YamlPath, describe_path
from jwmirror.core.files import open_regular
from jwmirror.core.model import Recipe
from jwmirror.core.model.association import Member
from jwmirror.core.names import observation_of
from jwmirror.pipeline.associations.checks import CATALOGUE
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.usercode.catalogues import CatalogueError, read_grism_catalogue
from jwmirror.pipeline.usercode.files import absolute_path

SHOWN = 3  # paths in a note


def own_file_mistakes(recipes: object) -> Iterator[str]:
    """Yield the members of own associations, and own shutter configurations, that are missing."""
    for name, recipe in (recipes if isinstance(recipes, Mapping) else {}).items():
        for path, subject, file in _own_files(recipe if isinstance(recipe, Mapping) else {}):
            try:
                open_regular(file).close()
            except OSError as err:
                place = describe_path(("recipes", name, *path))
                why = f"expected a file that can be read; {file}: {err.strerror}"
                yield f"{place}: {subject}: {why}"


def own_file_notes(recipes: Iterable[Recipe]) -> Iterator[str]:
    """Yield notes on the members of own associations: which files they are, and bad catalogues."""
    for recipe in recipes:
        for file in recipe.associations:
            members = [m for each in read_own_associations(Path(file)) for m in each.members]
            problems = () if recipe.python else _catalogue_problems(members)
            for note in (*_origins(members), *problems):
                yield f"recipes.{recipe.name}.associations: {file}: {note}"


def _origins(members: Iterable[Member]) -> Iterator[str]:
    """Yield whose files members with names of JWST products are, if they are written with folders.

    Notebooks write folders that may be only on their author's disk.
    """
    members = tuple(members)
    if own := dict.fromkeys(m.path for m in members if m.path and observation_of(m.name)):
        yield (
            "your own files are members, not those of the recipe or MAST: "
            f"{_some(own)}; write names without folders to use those"
        )
    if absent := dict.fromkeys(m.absent for m in members if m.absent):
        yield (
            f"there is no {_some(absent)}; the files of these names that the recipe or MAST makes "
            "are members"
        )


def _catalogue_problems(members: Iterable[Member]) -> Iterator[str]:
    """Yield why jwst would not read the user's catalogues for grism exposures."""
    for path in (m.path for m in members if m.exptype == CATALOGUE and m.path):
        try:
            read_grism_catalogue(Path(path))
        except CatalogueError as err:
            yield f"spec2 would not read this catalogue of sources: {err}"


def _some(paths: Collection[str]) -> str:
    """Return the first paths, and how many others there are."""
    first, others = list(paths)[:SHOWN], len(paths) - SHOWN
    return ", ".join(first) + (f" and {others} more" if others > 0 else "")


def _own_files(recipe: Mapping[str, Any]) -> Iterator[tuple[YamlPath, str, Path]]:
    """Yield where a recipe names a file of the user, what it is for, and its path."""
    for i, association in own_associations(recipe):
        for member in (member for member in association.members if member.path):
            subject = f"{recipe['associations'][i]}, {member.exptype} member {member.name}"
            yield ("associations", i), subject, Path(member.path)
    shutters = recipe.get("msa")
    for name, file in (shutters if isinstance(shutters, Mapping) else {}).items():
        yield ("msa", name), str(file), absolute_path(str(file), Path.cwd())
