"""The config: read, held against its schema and stpipe's specs, and turned into records.

Only the workflow's rules and the command line know this module; the wings never see a config.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from jwmirror.config import selections as subsets
from jwmirror.config.recipes import CheckerOf, Recipes
from jwmirror.core.errors import ConfigError, unknown_name
from jwmirror.core.model import Recipe, Selection
from jwmirror.pipeline.registry import PIPELINES

SCHEMA = Path(__file__).parents[2] / "config" / "schema.yaml"
KINDS = {"object": "keys with values (`key: value`)", "array": "a list", "string": "text"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """A checked config; paths are as the user wrote them."""

    mirror: Path
    archive_url: str
    cloud_url: str | None  # of the public copy to fetch from, where MAST is not to give the bytes
    token_env: str
    downloads: int
    keep_free: int  # bytes
    group: str | None  # may read exclusive-access files
    references_url: str
    context: str
    on_new_context: str  # follow or hold
    cache: Path
    batch: int  # exposures per job
    memory: float  # bytes that a job asks for, at most
    timeout_s: int
    vanish_limit: float  # share of a program's held products
    accept_vanished: tuple[int, ...]  # programs
    wait: bool  # for another run on the same mirror
    settle_days: float
    accept_unsettled: tuple[str, ...]  # programs, and patterns of product names
    selections: tuple[Selection, ...]
    recipes: tuple[Recipe, ...]


def read_config(
    path: Path, settings: Sequence[str] = (), checker_of: CheckerOf | None = None
) -> Config:
    """Return the config in a YAML file.

    `settings` (deep.detector1.jump.skip=true) come after those that the file has under `set`.

    Raises:
        ConfigError: lists every mistake in it.
    """
    try:
        raw = _with_settings(yaml.safe_load(Path(path).read_text()), settings)
        return build_config(raw, checker_of)
    except FileNotFoundError as err:
        raise ConfigError([f"{path}: no such file; name one with --config"]) from err
    except OSError as err:
        raise ConfigError([f"{path}: cannot be read: {err.strerror}"]) from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise ConfigError([f"{path}: not YAML: {' '.join(str(err).split())}"]) from err


def build_config(raw: Any, checker_of: CheckerOf | None = None) -> Config:
    """Return the config that `raw` (as read from YAML) describes.

    `checker_of` returns the check of recipes' parameters, which imports jwst and takes seconds;
    without it, parameters are not checked.

    Raises:
        ConfigError: lists every mistake in it.
    """
    raw = _undated(raw)
    mistakes = [_phrase(error) for error in _schema_errors(raw)]
    if not isinstance(raw, Mapping):
        raise ConfigError(mistakes)
    recipes = Recipes(raw.get("recipes"), raw.get("set"), raw.get("environments"))
    mistakes += recipes.check(raw.get("programs"), checker_of)
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
        accept_vanished=(vanished,) if isinstance(vanished, int) else tuple(vanished),
        wait=raw.get("wait", False),
        settle_days=settle["days"],
        accept_unsettled=tuple(map(str, settle["accept"])),
        selections=selections,
        recipes=recipes.records(tuple(s.program for s in selections)),
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a config."""
    return yaml.safe_load(SCHEMA.read_text())


def _with_settings(raw: Any, settings: Sequence[str]) -> Any:
    if not settings or not isinstance(raw, Mapping):
        return raw
    own = raw.get("set") or []
    return {**raw, "set": [*([own] if isinstance(own, str) else own), *settings]}


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
        numbers = {n for each in raw["observations"] for n in subsets.expand_numbers(each)}
        criteria["observations"] = tuple(sorted(numbers))
    if "observed" in raw:
        criteria["observed"] = tuple(raw["observed"].get(key, "") for key in ("from", "to"))
    return Selection(program=raw["program"], **criteria)


# ---- mistakes --------------------------------------------------------------------------------


def _schema_errors(raw: Any) -> Iterator[jsonschema.ValidationError]:
    return jsonschema.Draft202012Validator(schema()).iter_errors(raw)


def _phrase(error: jsonschema.ValidationError) -> str:
    """One mistake in words: where, what was found, what is allowed."""
    where = _place(error.absolute_path) or "config"
    if error.validator == "additionalProperties":
        allowed = list(error.schema["properties"])
        extra = sorted(set(error.instance) - set(allowed), key=str)
        return "\n".join(f"{where}: {_unknown_key(error, key, allowed)}" for key in extra)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: missing key {', '.join(missing)}"
    if error.validator == "enum":
        return f"{where}: {unknown_name('value', error.instance, error.validator_value)}"
    if error.validator == "pattern":
        return f"{where}: found {error.instance!r}{_misspelt(error)}"
    if error.validator == "type":
        found, allowed = type(error.instance).__name__, KINDS.get(error.validator_value)
        expected = allowed or error.validator_value
        return f"{where}: found {error.instance!r} ({found}), allowed is {expected}"
    if error.validator == "anyOf":
        return f"{where}: found {error.instance!r}, allowed are {error.schema['title']}"
    return f"{where}: {error.message}"


def _unknown_key(error: jsonschema.ValidationError, key: str, allowed: list[str]) -> str:
    """Words for a key that does not exist; a pipeline in a recipe was to be a parameter."""
    if "parameters" in allowed and key in PIPELINES:
        return f"found {key!r} beside `parameters`; it belongs in it: `parameters: {{{key}: ...}}`"
    return unknown_name("key", key, allowed)


def _misspelt(error: jsonschema.ValidationError) -> str:
    """What is allowed where a pattern is not kept; and the same in other letters, if that fits."""
    pattern, text = error.validator_value, str(error.instance)
    near = [each for each in (text.upper(), text.lower()) if re.search(pattern, each)]
    hint = f"; did you mean {near[0]!r}?" if near else ","
    return f"{hint} allowed is {error.schema.get('title', pattern)}"


def _place(path: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return place.lstrip(".")
