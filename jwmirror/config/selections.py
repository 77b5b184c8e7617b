"""What of its programs a recipe takes, as a config says it: exposures, stages, associations.

Like the config, it is known to the workflow's rules and the command line only.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.matching import KEYS
from jwmirror.core.model.association import Association
from jwmirror.pipeline.associations import CORRECT_IT, ignored_parts, read_association_file
from jwmirror.pipeline.parameters import specs as vocabulary


def expand_numbers(item: int | str) -> range:
    """The numbers of 4 or of "4-6"."""
    first, _, last = str(item).partition("-")
    return range(int(first), int(last or first) + 1)


def selection_of(recipe: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What an exposure must be to be taken, by the names of where-blocks: one value of each."""
    found = {name: tuple(map(str, recipe[key])) for key, name in KEYS.items() if recipe.get(key)}
    if "observation" in found:
        each = {str(n) for item in found["observation"] for n in expand_numbers(item)}
        found["observation"] = tuple(sorted(each, key=int))
    return found


def association_mistakes(
    place: str, recipe: Mapping[str, Any], all_stages: Any, programs: Any
) -> Iterator[str]:
    """What is wrong with a recipe's stages and association files.

    `all_stages` and `programs` are what it has by itself or by what it extends.
    """
    stages = recipe.get("stages")
    if isinstance(stages, list) and 1 in stages and 3 in stages and 2 not in stages:
        yield f"{place}.stages: found [1, 3]; stage 3 takes what stage 2 makes: add 2"
    names = recipe.get("associations")
    known: dict[tuple[str, str], str] = {}
    for i, name in enumerate(names if isinstance(names, list) else ()):
        where = f"{place}.associations[{i}]"
        try:
            found = read_association_file(Path(str(name)), remedy=CORRECT_IT)
        except CalibrationError as error:
            yield f"{where}: {error}"
            continue
        for each in found:
            yield from (f"{where}: {name}: {problem}" for problem in ignored_parts(each))
            yield from (f"{where}: {name} {why}" for why in _left_out(each, all_stages, programs))
            other = known.get(_place(each))
            if other:
                twice = "twice" if other == str(name) else f"and so does {other}"
                yield (
                    f"{where}: {name} makes {each.product} ({each.asn_type}), {twice}; take one of "
                    "them, or name its product otherwise"
                )
            known[_place(each)] = str(name)


def _left_out(association: Association, stages: Any, programs: Any) -> Iterator[str]:
    """Why a recipe of these stages and programs would not use an association of its own."""
    stage = association.stage
    if isinstance(stages, list) and stage not in stages:
        yield f"is for stage {stage}, which the recipe does not run; add it to stages"
    elif isinstance(programs, list) and association.program not in programs:
        yield (
            f"is of program {association.program}, which the recipe does not take; add that to "
            "programs, or correct `program` in the file"
        )


def value_mistakes(place: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """What a recipe selects by that no exposure is; imports jwst's models."""
    for key, name in KEYS.items():
        if key in recipe:
            yield from vocabulary.header_value_mistakes(recipe[key], name, f"{place}.{key}")


def _place(association: Association) -> tuple[str, str]:
    return association.product, association.asn_type
