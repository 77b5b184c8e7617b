"""The config: read, checked by its schema and by rules across keys, and returned as a record."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from jwmirror.config.recipes import CheckerOf, Recipes
from jwmirror.config.selections import expand_numbers
from jwmirror.config.thresholds import threshold_mistakes
from jwmirror.config.yaml_files import read_yaml
from jwmirror.core.errors import TYPES, ConfigError, unknown_name
from jwmirror.core.model import Recipe, Selection
from jwmirror.pipeline.registry import PIPELINES

SECTIONS = ("archive", "references", "calibrate", "settle")
SCHEMA = Path(__file__).parents[2] / "config" / "schema.yaml"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A checked config; paths are as the user wrote them."""

    mirror: Path
    archive_url: str
    cloud_url: str | None  # of the public copy, if public files are downloaded from it
    token_env: str
    downloads: int
    keep_free: int  # bytes
    group: str | None  # may read exclusive-access files
    references_url: str
    context: str
    on_new_context: str  # follow or hold
    cache: Path
    batch: int  # exposures per job
    memory: float  # maximum bytes that a job requests
    timeout_s: int
    vanish_limit: float  # fraction of a program's mirrored products
    accept_vanished: tuple[int, ...]  # programs
    wait: bool  # for another run on the same mirror
    settle_days: float
    accept_unsettled: tuple[str, ...]  # programs, and patterns of product names
    thresholds: Path | None  # the user's, over the shipped ones
    strict: bool  # a run with caveats that are not accepted ends with an error
    selections: tuple[Selection, ...]
    recipes: tuple[Recipe, ...]


def read_config(
    path: Path, settings: Sequence[str] = (), checker_of: CheckerOf | None = None
) -> Config:
    """Return the config in a YAML file.

    `settings` (deep.detector1.jump.skip=true) override those under `set` in the file.

    Raises:
        ConfigError: lists every mistake in it.
    """
    return build_config(_with_settings(read_yaml(Path(path)), settings), checker_of)


def build_config(raw: Any, checker_of: CheckerOf | None = None) -> Config:
    """Return the config that `raw` (as read from YAML) describes.

    `checker_of` returns the check of recipes' parameters, which imports jwst and takes seconds;
    without it, parameters are not checked.

    Raises:
        ConfigError: lists every mistake in it.
    """
    raw = _with_dates_as_text(raw)
    validator = jsonschema.Draft202012Validator(schema())
    mistakes = [_describe_error(error) for error in validator.iter_errors(raw)]
    if not isinstance(raw, Mapping):
        raise ConfigError(mistakes)
    recipes = Recipes(raw.get("recipes"), raw.get("set"), raw.get("environments"))
    mistakes += recipes.check(raw.get("programs"), checker_of)
    mistakes += threshold_mistakes(raw.get("thresholds"))
    if mistakes:
        raise ConfigError(sorted(set(mistakes)))
    archive, references, calibrate, settle = (_with_defaults(raw, name) for name in SECTIONS)
    selections = tuple(_selection(program) for program in raw["programs"])
    return Config(
        mirror=Path(raw.get("mirror", "mirror")),
        archive_url=archive["url"],
        cloud_url=archive["cloud_url"] if archive["source"] == "cloud" else None,
        token_env=archive["token_env"],
        downloads=archive["downloads"],
        keep_free=round(archive["keep_free_gb"] * 1e9),
        group=archive["group"],
        references_url=references["url"],
        context=references["context"],
        on_new_context=references["on_new_context"],
        cache=Path(references["cache"]),
        batch=calibrate["batch"],
        memory=calibrate["memory"] * 1e9,
        timeout_s=calibrate["timeout"],
        vanish_limit=archive["vanish_limit"],
        accept_vanished=_listed(raw.get("accept_vanished", ())),
        wait=raw.get("wait", False),
        settle_days=settle["days"],
        accept_unsettled=tuple(map(str, settle["accept"])),
        thresholds=Path(raw["thresholds"]) if raw.get("thresholds") else None,
        strict=raw.get("strict", False),
        selections=selections,
        recipes=recipes.records(tuple(s.program for s in selections)),
    )


def schema() -> dict[str, Any]:
    """Return the JSON schema of a config."""
    return yaml.safe_load(SCHEMA.read_text())


def _with_settings(raw: Any, settings: Sequence[str]) -> Any:
    if not settings or not isinstance(raw, Mapping):
        return raw
    own = raw.get("set") or []
    return {**raw, "set": [*([own] if isinstance(own, str) else own), *settings]}


def _listed(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


# ---- records ---------------------------------------------------------------------------------


def _with_defaults(raw: Mapping, section: str) -> dict[str, Any]:
    """Return a section of the config with the schema's defaults for missing keys."""
    keys = schema()["properties"][section]["properties"]
    return {key: spec["default"] for key, spec in keys.items()} | dict(raw.get(section) or {})


def _with_dates_as_text(value: Any) -> Any:
    """Return a value with dates as text: YAML reads an unquoted 2025-11-01 as a date."""
    if isinstance(value, Mapping):
        return {key: _with_dates_as_text(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [_with_dates_as_text(element) for element in value]
    return value.isoformat() if isinstance(value, date) else value


def _selection(raw: Mapping) -> Selection:
    criteria = {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
    if "observations" in raw:
        numbers = {n for item in raw["observations"] for n in expand_numbers(item)}
        criteria["observations"] = tuple(sorted(numbers))
    if "observed" in raw:
        criteria["observed"] = tuple(raw["observed"].get(key, "") for key in ("from", "to"))
    return Selection(program=raw["program"], **criteria)


# ---- mistakes --------------------------------------------------------------------------------


def _describe_error(error: jsonschema.ValidationError) -> str:
    """Return one mistake in words: where, what was found, what is allowed."""
    where = _place(error.absolute_path) or "config"
    found: Any = error.instance  # the part of the config
    rule: Any = error.validator_value  # as the schema writes it: a list, a text...
    of_schema: Any = error.schema  # the part of the schema with this rule
    if error.validator == "additionalProperties":
        allowed = list(of_schema["properties"])
        extra = sorted(set(found) - set(allowed), key=str)
        prefix, suffix = (f"{where}: ", "") if error.absolute_path else ("", " at the top level")
        return "\n".join(f"{prefix}{_unknown_key(key, allowed, suffix)}" for key in extra)
    if error.validator == "required":
        return f"{where}: missing key {', '.join(key for key in rule if key not in found)}"
    if error.validator == "enum":
        return f"{where}: {unknown_name('value', found, rule)}"
    if error.validator == "pattern":
        hint = _other_case(rule, str(found))
        return f"{where}: found {found!r}{hint} expected {of_schema['title']}"
    if error.validator in ("type", "anyOf"):
        value = "nothing" if found is None else repr(found)
        return f"{where}: found {value}, expected {of_schema.get('title') or TYPES[rule]}"
    return f"{where}: {error.message}"


def _unknown_key(key: str, allowed: list[str], suffix: str) -> str:
    """Return words for a key that does not exist, but perhaps belongs into `parameters`."""
    if "parameters" in allowed and key in PIPELINES:
        return f"found {key!r} beside `parameters`; it belongs in it: `parameters: {{{key}: ...}}`"
    return unknown_name("key", key, allowed, suffix)


def _other_case(pattern: str, text: str) -> str:
    """Return a hint to a text in upper or lower case, if it fits the pattern then."""
    near = [other for other in (text.upper(), text.lower()) if re.search(pattern, other)]
    return f"; did you mean {near[0]!r}?" if near else ","


def _place(path: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return place.lstrip(".")
