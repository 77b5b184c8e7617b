"""The exposures, stages and associations that a recipe selects of its programs."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from jwmirror.config.yaml_files import no_day
from jwmirror.core.errors import CalibrationError
from jwmirror.core.matching import KEYS
from jwmirror.core.model.association import Association
from jwmirror.pipeline.associations.checks import ignored_parts, member_mistake
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.parameters.vocabulary import criterion_mistakes

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def expand_numbers(item: int | str) -> range:
    """Return the numbers that 4 or "4-6" means."""
    first, _, last = str(item).partition("-")
    return range(int(first), int(last or first) + 1)


def empty_ranges(criteria: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and mistake of days that do not exist, and of ranges that contain nothing."""
    observations = criteria.get("observations")
    for i, item in enumerate(observations if isinstance(observations, list) else ()):
        first, dash, last = str(item).partition("-")
        if dash and first.isdecimal() and last.isdecimal() and not 1 <= int(first) <= int(last):
            yield ("observations", i), _range_mistake(item, int(first), int(last))
    observed = criteria.get("observed")
    days = {k: v for k, v in (observed if isinstance(observed, Mapping) else {}).items() if v}
    for key, day in days.items():
        if DAY.fullmatch(str(day)) and not is_day(day):
            yield ("observed", key), no_day(str(day))
    first, last = (str(days.get(key, "")) for key in ("from", "to"))
    if first and last and is_day(first) and is_day(last) and first > last:
        why = f"found {first}, which is after `to` ({last}); exchange them"
        yield ("observed", "from"), why


def _range_mistake(item: Any, first: int, last: int) -> str:
    near = f"; did you mean {last}-{first}?" if 1 <= last < first else ","
    return f"found {item!r}{near} expected a range such as 4-6"


def is_day(day: str) -> bool:
    """Return whether a text such as 2025-11-01 is a day of the calendar."""
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


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
    known: list[tuple[Association, str]] = []
    for i, name in _association_files(recipe):
        where = f"{place}.associations[{i}]"
        try:
            associations = read_own_associations(Path(name))
        except CalibrationError as error:
            yield f"{where}: {error}"
            continue
        for association in associations:
            product, asn_type = association.product, association.asn_type
            problems = _problems(association, all_stages, programs)
            yield from (f"{where}: {name}{problem}" for problem in problems)
            same = [file for other, file in known if _makes_same(association, other)]
            if same:
                twice = "twice" if same[-1] == name else f"and so does {same[-1]}"
                made = f"{name} makes {product}{f' ({asn_type})' if asn_type else ''}"
                yield f"{where}: {made}, {twice}; use one of them, or rename its product"
            known.append((association, name))


def _makes_same(one: Association, other: Association) -> bool:
    """Return whether two associations make, or may make, the same files."""
    is_same_type = one.pipeline == other.pipeline or "" in (one.pipeline, other.pipeline)
    return is_same_type and (one.product, one.stage) == (other.product, other.stage)


def own_associations(recipe: Mapping[str, Any]) -> Iterator[tuple[int, Association]]:
    """Yield the associations in a recipe's files, each with the index of its file.

    Files that cannot be read are left out.
    """
    for i, name in _association_files(recipe):
        with suppress(CalibrationError):
            yield from ((i, each) for each in read_own_associations(Path(name)))


def _association_files(recipe: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the names of a recipe's association files by place; the schema reports other values."""
    names = recipe.get("associations")
    for i, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str):
            yield i, name


def _problems(association: Association, stages: Any, programs: Any) -> Iterator[str]:
    """Yield why a recipe of these stages and programs would not use an association, or part of it.

    The texts follow the file's name.
    """
    yield from (f": {problem}" for problem in ignored_parts(association))
    if why := member_mistake(association, [""] * len(association.science)):
        yield f": {why}"
    stage = association.stage
    if isinstance(stages, list) and stage not in stages:
        yield f" is for stage {stage}, which the recipe does not run; add it to stages"
    elif isinstance(programs, list) and association.program not in programs:
        yield (
            f" is of program {association.program}, which the recipe does not use; add it to "
            "programs, or correct `program` in the file"
        )


def value_mistakes(place: str, criteria: Mapping[str, Any]) -> Iterator[str]:
    """Yield the criteria of a recipe or a program that nothing can meet."""
    for name, key in {**KEYS, "products": "product"}.items():
        if name in criteria and key != "instrument":  # the schema lists them
            yield from criterion_mistakes(criteria[name], key, f"{place}.{name}")
