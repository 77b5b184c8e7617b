"""The exposures, stages and associations that a recipe selects of its programs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.matching import KEYS
from jwmirror.core.model.association import Association
from jwmirror.pipeline.associations import CORRECT_IT, ignored_parts, read_association_file
from jwmirror.pipeline.parameters.specs import header_value_mistakes


def expand_numbers(item: int | str) -> range:
    """Return the numbers that 4 or "4-6" means."""
    first, _, last = str(item).partition("-")
    return range(int(first), int(last or first) + 1)


def selection_of(recipe: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the criteria of a recipe by key of where-blocks: alternative values."""
    select = {key: tuple(map(str, recipe[name])) for name, key in KEYS.items() if recipe.get(name)}
    if "observation" in select:
        numbers = {n for item in select["observation"] for n in expand_numbers(item)}
        select["observation"] = tuple(map(str, sorted(numbers)))
    return select


def association_mistakes(
    place: str, recipe: Mapping[str, Any], all_stages: Any, programs: Any
) -> Iterator[str]:
    """Yield the mistakes in a recipe's stages and association files.

    `all_stages` and `programs` are the recipe's own, or those of the recipe that it extends.
    """
    stages = recipe.get("stages")
    if isinstance(stages, list) and 1 in stages and 3 in stages and 2 not in stages:
        yield f"{place}.stages: found [1, 3]; stage 3 needs the products of stage 2: add 2"
    names = recipe.get("associations")
    known: dict[tuple[str, str], str] = {}
    for i, name in enumerate(names if isinstance(names, list) else ()):
        where = f"{place}.associations[{i}]"
        try:
            associations = read_association_file(Path(str(name)), remedy=CORRECT_IT)
        except CalibrationError as error:
            yield f"{where}: {error}"
            continue
        for association in associations:
            product, asn_type = association.product, association.asn_type
            problems = _problems(association, all_stages, programs)
            yield from (f"{where}: {name}{problem}" for problem in problems)
            if other := known.get((product, asn_type)):
                twice = "twice" if other == str(name) else f"and so does {other}"
                yield (
                    f"{where}: {name} makes {product} ({asn_type}), {twice}; use one of them, or "
                    "rename its product"
                )
            known[product, asn_type] = str(name)


def _problems(association: Association, stages: Any, programs: Any) -> Iterator[str]:
    """Yield why a recipe of these stages and programs would not use an association, or part of it.

    The texts follow the file's name.
    """
    yield from (f": {problem}" for problem in ignored_parts(association))
    stage = association.stage
    if isinstance(stages, list) and stage not in stages:
        yield f" is for stage {stage}, which the recipe does not run; add it to stages"
    elif isinstance(programs, list) and association.program not in programs:
        yield (
            f" is of program {association.program}, which the recipe does not use; add it to "
            "programs, or correct `program` in the file"
        )


def value_mistakes(place: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield the criteria of a recipe that no exposure can meet; imports jwst's models."""
    for name, key in KEYS.items():
        if name in recipe:
            yield from header_value_mistakes(recipe[name], key, f"{place}.{name}")
