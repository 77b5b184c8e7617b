"""Notes on the user's own associations whose members jwst cannot combine, by their headers."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.model import Entry, Recipe
from jwmirror.core.model.association import Association, OwnFile
from jwmirror.pipeline.associations.checks import member_mistake
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.headers import crds_header
from jwmirror.store.generations import Generations


def member_notes(recipes: Iterable[Recipe], mirror: Path) -> Iterator[str]:
    """Yield a note on each own association of recipes that the next plan will refuse.

    Headers are known of the exposures of the mirror, and of the user's own files.
    """
    associations = [
        (recipe, file, association)
        for recipe in recipes
        for file in recipe.associations
        for association in read_own_associations(Path(file))
    ]
    if not associations:
        return
    from jwmirror.planning.inputs import available_files

    entries = _entries(mirror)
    for recipe, file, association in associations:
        available = available_files(entries, own=_own_files(association))
        if why := member_mistake(association, available.members(association)):
            yield f"recipes.{recipe.name}.associations: {file}: a run will refuse it: {why}"


def _entries(mirror: Path) -> tuple[Entry, ...]:
    """Return the rows of the mirror; none if they cannot be read."""
    with suppress(JwmirrorError, OSError):
        return tuple(Generations(mirror).entries()) if mirror.is_dir() else ()
    return ()


def _own_files(association: Association) -> dict[str, OwnFile]:
    """Return the user's science members by path, with their headers as far as they can be read."""
    own = {}
    for path in (member.path for member in association.science if member.path):
        header = ""
        with suppress(JwmirrorError, OSError):
            header = crds_header(Path(path))
        own[path] = OwnFile(path=path, header=header)
    return own
