"""Exclusions of recipes (`exclude`): read as records, and checked."""

from collections.abc import Iterator, Mapping
from typing import Any

from jwmirror.config.recipes.where_blocks import match_of
from jwmirror.core.model import Exclusion
from jwmirror.pipeline.parameters.vocabulary import match_mistakes

BECAUSE = "because"


def exclusions_of(recipe: Mapping[str, Any]) -> tuple[Exclusion, ...]:
    """Return the exclusions of a recipe; malformed ones are left to the schema."""
    return tuple(
        Exclusion(match=match_of(match), because=str(item[BECAUSE]))
        for item in _listed(recipe)
        if (match := _criteria(item)) and BECAUSE in item
    )


def exclusion_mistakes(place: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield the items without criteria, and the criteria that no exposure can meet."""
    for number, item in enumerate(_listed(recipe)):
        where, criteria = f"{place}.exclude[{number}]", _criteria(item)
        if not criteria:
            yield f"{where}: it names no exposures; add file, or visit, exposure, detector..."
        yield from match_mistakes(criteria, where)


def _listed(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = recipe.get("exclude")
    return [i for i in items if isinstance(i, Mapping)] if isinstance(items, list) else []


def _criteria(item: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in item.items() if key != BECAUSE}
