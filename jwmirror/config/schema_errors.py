"""The schema of configs: its validator, and the mistakes that it finds, in words."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from jwmirror.config.yaml_files import YamlPath, YamlText, describe_path
from jwmirror.core.errors import TYPES, unknown_name
from jwmirror.pipeline.registry import PIPELINES

DEFAULT = ("config/config.yaml", "--config ")  # sources that replace no other one
LONGEST_VARIABLE = 30  # characters: a longer text in the place of a variable is not shown
NUMBER = re.compile(r"[^\d]*?0*([1-9]\d*)[^\d]*", re.ASCII)  # a text with one number
NUMBERS = re.compile(r"[1-9]\d*(, *[1-9]\d*)+", re.ASCII)
LIMITS = {  # rules of the schema -> what they allow; with their value, if it is of interest
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "some text",
    "maxLength": "at most {} characters",
    "minItems": "at least {} in the list",
    "minProperties": "at least {} key with its value",
    "uniqueItems": "each only once",
}


def _is_integer(checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: Any, value: Any) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


REMEDIES = {  # for missing keys
    "programs": "say what to mirror, such as `programs: [1538]`",
    "because": "write the reason, such as `because: guide star lost`",
    "radius": "write one with its unit, such as `radius: 5 arcmin`",
}


def _check_pattern(
    validator: Any, pattern: str, value: Any, schema: Any
) -> Iterator[jsonschema.ValidationError]:
    """Yield a mistake if a text does not fit; Python's `$` also matches before a last newline."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


StrictValidator = jsonschema.validators.extend(  # 1345.0 is no integer, and infinity is no number
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
    validators={"pattern": _check_pattern},
)


def describe_error(error: jsonschema.ValidationError, content: YamlText) -> list[str]:
    """Return a mistake in words, or one for each unknown key: where, what was found, expected."""
    path: YamlPath = tuple(error.absolute_path)
    if error.validator != "additionalProperties":
        shown = content.shown(path, error.instance)
        if path[-1:] == ("token_env",) and len(shown) > LONGEST_VARIABLE:
            shown = f"a text of {len(str(error.instance))} characters, which may be a token"
        words = _words(error, shown)
        if "missing key programs" in words and not content.place(path).startswith(DEFAULT):
            words += " (this file replaces config/config.yaml, whose keys are not used)"
        return [content.locate(path, words)]
    of_schema: Any = error.schema  # the part of the schema with this rule
    found: Any = error.instance  # the part of the config
    allowed = list(of_schema["properties"])
    prefix, suffix = (f"{describe_path(path)}: ", "") if path else ("", " at the top level")
    inside = _keys_inside(of_schema["properties"])
    others = of_schema.get("patternProperties", ())
    known = {*allowed, *(key for key in found for other in others if re.search(other, str(key)))}
    return [
        f"{content.place((*path, key))}{prefix}{_unknown_key(key, allowed, suffix, inside)}"
        for key in sorted(set(found) - known, key=str)
    ]


def _words(error: jsonschema.ValidationError, shown: str) -> str:
    found: Any = error.instance
    rule: Any = error.validator_value  # as the schema writes it: a list, a text...
    of_schema: Any = error.schema
    if error.validator == "required":
        missing = ", ".join(key for key in rule if key not in found)
        return f"missing key {missing}; {REMEDIES.get(missing, 'add it')}"
    if error.validator == "enum":
        return unknown_name("value", found, rule)
    if error.validator == "pattern":
        hint = _other_case(rule, str(found), of_schema["title"])
        return f"found {shown}{hint} expected {of_schema['title']}"
    if error.validator in ("type", "anyOf"):
        expected = of_schema.get("title") or TYPES[rule]
        return f"found {shown}{_number_in(found, expected) or ','} expected {expected}"
    if limit := LIMITS.get(str(error.validator)):
        return f"found {shown}, expected {limit.format(rule)}"
    return error.message


def _keys_inside(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that only one section of a schema has, with the name of that section."""
    pairs = [(key, name) for name, part in properties.items() for key in part.get("properties", ())]
    count = Counter(key for key, _ in pairs)
    return {key: name for key, name in pairs if count[key] == 1}


def _unknown_key(key: object, allowed: list[str], suffix: str, inside: Mapping[str, str]) -> str:
    """Return words for a key that does not exist here, but perhaps inside one of those that do.

    `inside` has the keys that those have, with the one that contains it.
    """
    section = "parameters" if "parameters" in allowed and key in PIPELINES else ""
    if section := section or inside.get(str(key), ""):
        return f"found {key!r} beside `{section}`; it belongs in it: `{section}: {{{key}: ...}}`"
    return unknown_name("key", key, allowed, suffix)


def _other_case(pattern: str, text: str, title: str) -> str:
    """Return a hint to a text in upper or lower case, if it fits then, or to the whole path."""
    if title.startswith("the path"):
        return _in_full(text)
    near = [other for other in (text.upper(), text.lower()) if re.search(pattern, other)]
    return f"; did you mean {near[0]!r}?" if near else ","


def _in_full(text: str) -> str:
    """Return a hint to the path that a shell would make of one with ~ or a variable."""
    full = os.path.expandvars(os.path.expanduser(text))
    return f"; did you mean {full!r}?" if full != text else ","


def _number_in(value: object, expected: str) -> str:
    """Return a hint to the numbers in a text, such as 'GO 1345', where some are expected."""
    if not isinstance(value, str) or "number" not in expected:
        return ""
    if NUMBERS.fullmatch(value):
        return f"; did you mean [{value}]?"
    found = NUMBER.fullmatch(value)
    return f"; did you mean {found[1]}?" if found else ""
