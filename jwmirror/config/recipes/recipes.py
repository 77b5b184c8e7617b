"""The recipes of a config: expanded, checked against each other, and returned as records."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.config import selections
from jwmirror.config.recipes.environments import Environments
from jwmirror.config.recipes.exclusions import exclusion_mistakes, exclusions_of
from jwmirror.config.recipes.parameter_files import ParameterFileReader, ParameterPart, overlay
from jwmirror.config.recipes.single_steps import step_mistakes, steps_of_recipe
from jwmirror.config.recipes.where_blocks import (
    Block,
    blocks_of,
    contradiction_mistakes,
    useless_block_mistakes,
)
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.errors import ConfigError, unknown_name
from jwmirror.core.grouping import group_by
from jwmirror.core.matching import KEYS
from jwmirror.core.model import Recipe
from jwmirror.core.model.parameters import Remarks
from jwmirror.core.model.quality import MARK
from jwmirror.pipeline.parameters.python_notation import without_python_notation
from jwmirror.pipeline.parameters.resolution import normalise
from jwmirror.pipeline.parameters.vocabulary import match_mistakes
from jwmirror.pipeline.registry import PIPELINES, pipeline_name
from jwmirror.pipeline.usercode.between import between_mistakes

Checker = Callable[[Mapping[str, Any], str, bool], Remarks]  # of parameters: Resolver.remarks
CheckerOf = Callable[[str], Checker]  # the Python of an environment ("": the running one)

EVERY = "recipe"  # in a setting: all recipes
STAGES = [1, 2, 3]  # by default


class Recipes:
    """The recipes of a config, with the settings of `set`; `mistakes` are those found so far.

    Reads the parameter files of recipes; relative paths start in the working directory. `notes` are
    those of the check of parameters, when it was made.
    """

    def __init__(self, raw: Any, settings: Any = (), environments: Any = ()):
        self._environments = Environments(environments)
        self.mistakes: list[str] = []
        self.notes: list[str] = []
        self.parts: list[ParameterPart] = []  # to be checked by stpipe's specs
        recipes = raw if isinstance(raw, Mapping) else {}
        self._raw: dict[str, dict[str, Any]] = {}
        for name, recipe in recipes.items():
            if isinstance(recipe or {}, Mapping):
                reader = ParameterFileReader(str(name))
                self._raw[str(name)] = reader.expand(recipe or {})
                self.parts += reader.parts
                self.mistakes += reader.mistakes
        self._settings = self._set(settings)

    def check(self, programs: Any, checker_of: CheckerOf | None) -> list[str]:
        """Return all mistakes that the schema cannot find: names, contradictions, parameters.

        Without `checker_of`, parameters are not checked.
        """
        found = list(self.mistakes)
        for name, recipe in self._raw.items():
            circles = _extends_mistakes(name, self._raw)
            found += circles
            found += _program_mistakes(f"recipes.{name}", recipe, programs)
            stages = self._inherited(name, "stages", STAGES)
            numbers = self._inherited(name, "programs", _mirrored(programs))
            found += selections.association_mistakes(f"recipes.{name}", recipe, stages, numbers)
            found += [] if circles else self._block_mistakes(name)
            found += between_mistakes(*_functions(recipe), f"recipes.{name}.between", Path.cwd())
            found += self._environments.mistakes(f"recipes.{name}", recipe.get("environment"))
            found += [] if circles else step_mistakes(name, self._raw, STAGES)
        if checker_of is None:
            return found
        return [*found, *self._value_mistakes(), *self._step_mistakes(checker_of)]

    def _block_mistakes(self, name: str) -> list[str]:
        """Return the contradictions between where-blocks, and those that are never applied."""
        blocks = self._blocks(name)
        lists = {key: self._inherited(name, key) for key in ("associations", *KEYS)}
        recipe = {key: value for key, value in lists.items() if isinstance(value, list)}
        select: dict[str, tuple[str, ...]] = {}
        with suppress(ValueError):  # of observations; the schema names it
            select = selections.selection_of(recipe)
        own = [association for _, association in selections.own_associations(recipe)]
        return [*contradiction_mistakes(blocks), *useless_block_mistakes(blocks, select, own)]

    def _value_mistakes(self) -> Iterator[str]:
        """Yield the criteria of recipes that no exposure can meet, such as an unknown detector."""
        for name, recipe in self._raw.items():
            place = f"recipes.{name}"
            for block in blocks_of(place, recipe.get("where")):
                yield from match_mistakes(block.match, f"{block.place}.match")
            yield from selections.value_mistakes(place, recipe)
            yield from exclusion_mistakes(place, recipe)

    def _step_mistakes(self, checker_of: CheckerOf) -> Iterator[str]:
        """Yield the mistakes in parameters, found by the jwst that each recipe runs; add notes."""
        parts = [part for part in self.parts if part.parameters]
        for python, of_python in group_by(parts, lambda part: self._python(part.recipe)).items():
            if not python or Path(python).is_file():
                check = checker_of(python)
                for part in of_python:
                    remarks = check(part.parameters, part.place, part.is_exported)
                    self.notes += remarks.notes
                    yield from remarks.mistakes

    def _python(self, name: str) -> str:
        """Return the Python of a recipe's environment; "" for the running one."""
        return self._environments.python(self._inherited(name, "environment"))

    def _inherited(self, name: str, key: str, otherwise: Any = None) -> Any:
        """Return the value of a recipe's key, or of the nearest recipe that it extends."""
        seen: list[str] = []
        while name in self._raw and name not in seen:
            seen.append(name)
            if key in self._raw[name]:
                return self._raw[name][key]
            name = self._raw[name].get("extends", "")
        return otherwise

    def records(self, programs: tuple[int, ...]) -> tuple[Recipe, ...]:
        """Return the recipes in the order of the config.

        `programs` are those of recipes that do not name any.
        """
        return tuple(self._record(name, programs) for name in self._raw)

    def used_parts(self) -> tuple[ParameterPart, ...]:
        """Return the parts of all recipes with the recipes that use them."""
        lines = {name: tuple(self._line(name)) for name in self._raw}
        return tuple(
            replace(part, users=tuple(name for name in lines if part.recipe in lines[name]))
            for part in self.parts
        )

    def _line(self, name: str) -> Iterator[str]:
        """Yield a recipe and those that it extends; there are no cycles."""
        while name in self._raw:
            yield name
            name = self._raw[name].get("extends", "")

    def _record(self, name: str, programs: tuple[int, ...]) -> Recipe:
        recipe = self._extended(name)
        functions, files = _functions(recipe)
        steps, products_of = steps_of_recipe(list(self._line(name)), self._raw)
        return Recipe(
            name=name,
            python=self._python(name),
            programs=tuple(dict.fromkeys(recipe.get("programs", programs))),
            stages=() if steps else tuple(sorted(recipe.get("stages", STAGES))),
            steps=steps,
            products_of=products_of,
            keep=tuple(sorted(recipe.get("keep", ()))),
            parameters=recipe["parameters"],
            where=tuple(block.record for block in self._blocks(name)),
            settings=normalise(self._settings.get(name, {})),
            between=functions,
            between_files=files,
            select=selections.selection_of(recipe),
            exclude=exclusions_of(recipe),
            associations=tuple(recipe.get("associations") or ()),
            msa=dict(recipe.get("msa") or {}),
            context=recipe.get("context", ""),
            publish=recipe.get("publish", MARK),
        )

    def _extended(self, name: str) -> dict[str, Any]:
        """Return a recipe merged with the recipes that it extends, except its where-blocks."""
        recipe = dict(self._raw[name])
        below = self._extended(recipe.pop("extends")) if "extends" in recipe else {}
        merged = {**below, **recipe}
        merged["parameters"] = overlay(
            below.get("parameters", {}), normalise(recipe.get("parameters") or {})
        )
        if (exclude := recipe.get("exclude")) != []:  # [] takes back those of the recipes below
            merged["exclude"] = [*(below.get("exclude") or ()), *(exclude or ())]
        merged["between"] = {**(below.get("between") or {}), **(recipe.get("between") or {})}
        return merged

    def _blocks(self, name: str) -> list[Block]:
        """Return the where-blocks of a recipe, merged with extended ones of equal match."""
        recipe = self._raw[name]
        below = self._blocks(recipe["extends"]) if "extends" in recipe else []
        own = blocks_of(f"recipes.{name}", recipe.get("where"))
        for place, old in enumerate(below):
            for new in [block for block in own if block.criteria == old.criteria][:1]:
                merged = overlay(normalise(old.parameters), normalise(new.parameters))
                below[place] = Block(new.place, new.match, merged)
                own.remove(new)
        return below + own

    # ---- settings

    def _set(self, settings: Any) -> dict[str, dict[str, Any]]:
        """Return the parameters that are set for one run, by recipe; add them to the parts."""
        found: dict[str, dict[str, Any]] = {}
        settings = [settings] if isinstance(settings, str) else settings
        for number, setting in enumerate(settings if isinstance(settings, list | tuple) else ()):
            try:
                name, parameters = _parsed(str(setting))
                names = self._named(name)
            except ConfigError as error:
                self.mistakes.append(f"set {setting}: {error}")
                continue
            for each in names:
                part = ParameterPart(each, f"set {name}", parameters, path=("set", number))
                self.parts.append(part)
                found[each] = overlay(found.get(each, {}), parameters)
        return found

    def _named(self, name: str) -> list[str]:
        if name == EVERY:
            return list(self._raw)
        if name not in self._raw:
            if pipeline_name(name) in PIPELINES and self._raw:
                why = f"found the pipeline {name} without its recipe"
                raise ConfigError([f"{why}; write {next(iter(self._raw))}.{name}..."])
            why = unknown_name("recipe", name, list(self._raw))
            raise ConfigError([f"{why}; the word {EVERY} means all of them"])
        return [name]


def _parsed(setting: str) -> tuple[str, dict[str, Any]]:
    """Return the recipe's name and nested parameters of deep.detector1.jump.skip=true."""
    path, equals, text = setting.partition("=")
    name, *inner = path.strip().split(".")
    is_list = setting.startswith("[")  # that YAML could not read
    if is_list or not equals or len(inner) < 2 or not all(inner):
        expected = "RECIPE.PIPELINE.STEP.PARAMETER=VALUE or RECIPE.PIPELINE.PARAMETER=VALUE"
        example = "such as deep.detector1.jump.skip=true"
        several = "; in a list [ ] of settings, quote each one that contains [ ] or ,"
        raise ConfigError([f"expected {expected}, {example}{several if is_list else ''}"])
    try:
        content = parse_yaml(text, "value", tuple(inner))
    except ConfigError as err:
        raise ConfigError([f"found {text!r}, expected a value in YAML"]) from err
    if content.mistakes:
        raise ConfigError([mistake.message for mistake in content.mistakes])
    value = without_python_notation(content.value)
    for part in reversed(inner):
        value = {part: value}
    return name, value


Names = dict[str, tuple[str, ...]]  # by pair of pipelines


def _functions(recipe: Mapping[str, Any]) -> tuple[Names, Names]:
    """Return the functions of a recipe's `between`, and the files that they read."""
    pairs = recipe.get("between")
    functions: Names = {}
    files: Names = {}
    for pair, content in (pairs if isinstance(pairs, Mapping) else {}).items():
        parts = content if isinstance(content, Mapping) else {"function": content}
        functions[str(pair)] = _texts(parts.get("function"))
        if read := _texts(parts.get("files")):
            files[str(pair)] = read
    return functions, files


def _texts(value: Any) -> tuple[str, ...]:
    """Return one text or a list of texts; the schema reports everything else."""
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()


# ---- names -----------------------------------------------------------------------------------


def _extends_mistakes(name: str, recipes: Mapping[str, Mapping]) -> list[str]:
    seen = [name]
    while "extends" in recipes[seen[-1]]:
        parent = recipes[seen[-1]]["extends"]
        if parent not in recipes:
            others = [other for other in recipes if other != name]
            return [f"recipes.{seen[-1]}.extends: {unknown_name('recipe', parent, others)}"]
        if parent in seen:
            chain = " -> ".join([*seen, parent])
            why = "found a recipe that extends itself" + f" ({chain})" * (len(seen) > 1)
            return [f"recipes.{name}.extends: {why}; name another, or remove `extends`"]
        seen.append(parent)
    return []


def _program_mistakes(place: str, recipe: Mapping, programs: Any) -> list[str]:
    mirrored = _mirrored(programs)
    if not isinstance(recipe.get("programs"), list) or not mirrored:
        return []
    return [
        f"{place}.programs: program {number} is not mirrored; add it to programs. Mirrored "
        f"programs: {', '.join(map(str, mirrored))}"
        for number in recipe["programs"]
        if number not in mirrored
    ]


def _mirrored(programs: Any) -> list[Any] | None:
    """Return the numbers of the programs in a config; None if a search may find others."""
    listed = programs if isinstance(programs, list) else []
    entries = [each for each in listed if isinstance(each, Mapping)]
    has_search = any("program" not in each for each in entries)
    return None if has_search else [each["program"] for each in entries]
