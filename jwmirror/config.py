"""The config: read, held against its schema and stpipe's specs, and turned into records.

Only the workflow's rules and the command line know this module; the wings never see a config.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from jwmirror.errors import ConfigError
from jwmirror.records import Recipe, Selection, Where

SCHEMA = Path(__file__).parent.parent / "config" / "schema.yaml"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A checked config; paths are as the user wrote them."""

    mirror: Path
    archive_url: str
    token_env: str
    downloads: int
    keep_free: int  # bytes
    group: str | None  # may read exclusive-access files
    references_url: str
    context: str
    cache: Path
    batch: int  # exposures per job
    timeout_s: int
    vanish_limit: float  # share of a program's held products
    accept_vanished: tuple[int, ...]  # programs
    settle_days: float
    accept_unsettled: tuple[str, ...]  # programs, and patterns of product names
    selections: tuple[Selection, ...]
    recipes: tuple[Recipe, ...]


def load(path: Path) -> Config:
    """The config in a YAML file; ConfigError lists every mistake in it."""
    try:
        return parse(yaml.safe_load(Path(path).read_text()))
    except FileNotFoundError as err:
        raise ConfigError([f"{path}: no such file; name one with --config"]) from err
    except yaml.YAMLError as err:
        raise ConfigError([f"{path}: not YAML: {' '.join(str(err).split())}"]) from err


def parse(raw: Any, *, check_steps: bool = True) -> Config:
    """The config that `raw` (as read from YAML) describes; ConfigError lists every mistake.

    `check_steps=False` spares the seconds of holding parameters to stpipe's specs.
    """
    raw = _undated(raw)
    mistakes = [_phrase(error) for error in _schema_errors(raw)]
    if not isinstance(raw, Mapping):
        raise ConfigError(mistakes)
    mistakes += _recipe_mistakes(raw, check_steps)
    if mistakes:
        raise ConfigError(sorted(set(mistakes)))
    archive, references, calibrate, settle = (
        _filled(raw, section) for section in ("archive", "references", "calibrate", "settle")
    )
    vanished = raw.get("accept_vanished", ())
    selections = tuple(_selection(each) for each in raw["programs"])
    return Config(
        mirror=Path(raw.get("mirror", "mirror")),
        archive_url=archive["url"],
        token_env=archive["token_env"],
        downloads=archive["downloads"],
        keep_free=round(archive["keep_free_gb"] * 1e9),
        group=archive["group"],
        references_url=references["url"],
        context=references["context"],
        cache=Path(references["cache"]),
        batch=calibrate["batch"],
        timeout_s=calibrate["timeout"],
        vanish_limit=archive["vanish_limit"],
        accept_vanished=(vanished,) if isinstance(vanished, int) else tuple(vanished),
        settle_days=settle["days"],
        accept_unsettled=tuple(map(str, settle["accept"])),
        selections=selections,
        recipes=_recipes(raw.get("recipes") or {}, tuple(s.program for s in selections)),
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a config."""
    return yaml.safe_load(SCHEMA.read_text())


# ---- records ---------------------------------------------------------------------------------


def _filled(raw: Mapping, section: str) -> dict[str, Any]:
    """A section of the config with the schema's defaults where it says nothing."""
    keys = schema()["properties"][section]["properties"]
    return {key: spec["default"] for key, spec in keys.items()} | dict(raw.get(section) or {})


def _undated(value: Any) -> Any:
    """The same with days as text again: YAML reads an unquoted 2025-11-01 as a date."""
    if isinstance(value, Mapping):
        return {key: _undated(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_undated(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def _selection(raw: Mapping) -> Selection:
    criteria = {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
    if "observations" in raw:
        numbers = {n for each in raw["observations"] for n in _numbers(each)}
        criteria["observations"] = tuple(sorted(numbers))
    if "observed" in raw:
        criteria["observed"] = tuple(raw["observed"].get(key, "") for key in ("from", "to"))
    return Selection(program=raw["program"], **criteria)


def _numbers(item: int | str) -> range:
    first, _, last = str(item).partition("-")
    return range(int(first), int(last or first) + 1)


def _recipes(raw: Mapping[str, Mapping], programs: tuple[int, ...]) -> tuple[Recipe, ...]:
    return tuple(_recipe(name, _extended(name, raw), programs) for name in sorted(raw))


def _recipe(name: str, raw: Mapping, programs: tuple[int, ...]) -> Recipe:
    return Recipe(
        name=name,
        programs=tuple(dict.fromkeys(raw.get("programs", programs))),
        stages=tuple(sorted(raw.get("stages", (1, 2, 3)))),
        keep=tuple(sorted(raw.get("keep", ()))),
        parameters=raw.get("parameters") or {},
        where=tuple(_where(block) for block in raw.get("where") or ()),
    )


def _where(block: Mapping) -> Where:
    match = {key: str(value) for key, value in block["match"].items()}
    return Where(match=match, parameters=block["parameters"])


def _extended(name: str, raw: Mapping[str, Mapping]) -> dict[str, Any]:
    """The recipe with what it extends below it: parameters merged, where-blocks appended."""
    recipe = dict(raw[name] or {})
    parent = recipe.pop("extends", None)
    if parent is None:
        return recipe
    below = _extended(parent, raw)
    merged = {**below, **recipe}
    merged["parameters"] = overlaid(below.get("parameters") or {}, recipe.get("parameters") or {})
    merged["where"] = [*(below.get("where") or ()), *(recipe.get("where") or ())]
    return merged


def overlaid(below: Mapping, above: Mapping) -> dict[str, Any]:
    """Nested dicts merged key by key; `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


# ---- mistakes --------------------------------------------------------------------------------


def _schema_errors(raw: Any) -> Iterator[jsonschema.ValidationError]:
    return jsonschema.Draft202012Validator(schema()).iter_errors(raw)


def _phrase(error: jsonschema.ValidationError) -> str:
    """One mistake in words: where, what was found, what is allowed."""
    where = _place(error.absolute_path) or "config"
    if error.validator == "additionalProperties":
        allowed = list(error.schema["properties"])
        extra = sorted(set(error.instance) - set(allowed), key=str)
        return "\n".join(f"{where}: {unknown('key', key, allowed)}" for key in extra)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: missing key {', '.join(missing)}"
    if error.validator == "enum":
        return f"{where}: {unknown('value', error.instance, error.validator_value)}"
    if error.validator == "pattern":
        return f"{where}: found {error.instance!r}, allowed is {error.validator_value}"
    if error.validator == "type":
        found = type(error.instance).__name__
        return f"{where}: found {error.instance!r} ({found}), allowed is {error.validator_value}"
    if error.validator == "anyOf":
        return f"{where}: found {error.instance!r}, allowed are {error.schema['title']}"
    return f"{where}: {error.message}"


def unknown(kind: str, found: object, allowed: list) -> str:
    """Words for a name that does not exist: the nearest right one, and all that are allowed."""
    names = [str(name) for name in allowed]
    near = difflib.get_close_matches(str(found), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {found!r}; {hint}allowed are {', '.join(names)}"


def _place(path: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return place.lstrip(".")


def _recipe_mistakes(raw: Mapping, check_steps: bool) -> list[str]:
    """What the schema cannot say of recipes: names that exist, stpipe's parameters, ties."""
    recipes = raw.get("recipes")
    if not isinstance(recipes, Mapping):
        return []
    found = []
    for name, recipe in recipes.items():
        if isinstance(recipe, Mapping):
            place = f"recipes.{name}"
            found += _extends_mistakes(name, recipes)
            found += _program_mistakes(place, recipe, raw.get("programs"))
            found += _parameter_mistakes(place, recipe) if check_steps else []
            found += _tie_mistakes(place, recipe.get("where"))
    return found


def _extends_mistakes(name: str, recipes: Mapping) -> list[str]:
    seen = [name]
    while isinstance(recipes[seen[-1]], Mapping) and "extends" in recipes[seen[-1]]:
        parent = recipes[seen[-1]]["extends"]
        if parent not in recipes:
            others = [other for other in recipes if other != name]
            return [f"recipes.{seen[-1]}.extends: {unknown('recipe', parent, others)}"]
        if parent in seen:
            return [f"recipes.{name}.extends: goes in a circle: {' -> '.join([*seen, parent])}"]
        seen.append(parent)
    return []


def _program_mistakes(place: str, recipe: Mapping, programs: Any) -> list[str]:
    if not isinstance(recipe.get("programs"), list) or not isinstance(programs, list):
        return []
    mirrored = [each.get("program") for each in programs if isinstance(each, Mapping)]
    return [
        f"{place}.programs: program {number} is not mirrored; add it to programs, or take one of "
        f"{', '.join(map(str, mirrored))}"
        for number in recipe["programs"]
        if number not in mirrored
    ]


def _parameter_mistakes(place: str, recipe: Mapping) -> list[str]:
    parts = [(f"{place}.parameters", recipe.get("parameters"))]
    if isinstance(recipe.get("where"), list):
        parts += [
            (f"{place}.where[{i}].parameters", block.get("parameters"))
            for i, block in enumerate(recipe["where"])
            if isinstance(block, Mapping)
        ]
    asked = [(where, parameters) for where, parameters in parts if isinstance(parameters, Mapping)]
    if not any(parameters for _, parameters in asked):
        return []
    from jwmirror.recalibrate.parameters import mistakes  # imports jwst: seconds

    return [each for where, parameters in asked for each in mistakes(parameters, where)]


def _tie_mistakes(place: str, where: Any) -> list[str]:
    """Pairs of equally specific where-blocks that can match one exposure and disagree."""
    blocks = [
        (i, block["match"], dict(_leaves(block["parameters"])))
        for i, block in enumerate(where if isinstance(where, list) else ())
        if isinstance(block, Mapping)
        and isinstance(block.get("match"), Mapping)
        and isinstance(block.get("parameters"), Mapping)
    ]
    return [
        f"{place}.where[{i}] and where[{j}]: equally specific and both set {'.'.join(leaf)} "
        f"({here[leaf]!r}, {there[leaf]!r}); add a key to the match of the one that should win"
        for (i, one, here), (j, other, there) in combinations(blocks, 2)
        if len(one) == len(other) and all(one[k] == other[k] for k in one.keys() & other.keys())
        for leaf in sorted(here.keys() & there.keys())
        if here[leaf] != there[leaf]
    ]


def _leaves(tree: Mapping, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value
