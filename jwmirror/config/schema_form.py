"""Values of a config in the form of the schema: "01345" as a number, one value as a list of it."""

from collections.abc import Mapping
from typing import Any

NUMBERS = frozenset({"integer", "number"})
Spec = Mapping[str, Any]  # a part of the schema


def in_schema_form(value: Any, schema: Spec) -> Any:
    """Return a config in which unambiguous values have the form that the schema asks for.

    Digits in quotes are a number where a number belongs. One value is a list where a list belongs.
    A number is a program where a program belongs. All else is left to the schema's check.
    """
    return _formed(value, schema, schema.get("$defs", {}))


def _formed(value: Any, spec: Spec, definitions: Spec) -> Any:
    spec = definitions[spec["$ref"].rpartition("/")[2]] if "$ref" in spec else spec
    if spec.get("type") == "array" and not isinstance(value, list | None):
        value = [value]
    if "program" in spec.get("properties", {}) and _is_number(value):
        value = {"program": value}
    if isinstance(value, list):
        items: Spec = next((each["items"] for each in _alternatives(spec) if "items" in each), {})
        return [_formed(element, items, definitions) for element in value]
    if isinstance(value, Mapping):
        specs = {key: _spec_of(key, spec) for key in value}
        return {key: _formed(each, specs[key], definitions) for key, each in value.items()}
    return int(value) if _is_digits(value) and _allows_numbers(spec) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or _is_digits(value)


def _is_digits(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _alternatives(spec: Spec) -> list[Any]:
    return [spec, *spec.get("anyOf", ())]


def _spec_of(key: str, spec: Spec) -> Spec:
    """Return the part of the schema for a key of a mapping; it is empty for any value."""
    others = spec.get("additionalProperties")
    return spec.get("properties", {}).get(key, others if isinstance(others, Mapping) else {})


def _allows_numbers(spec: Spec) -> bool:
    return any(
        each.get("type") in NUMBERS or any(isinstance(value, int) for value in each.get("enum", ()))
        for each in _alternatives(spec)
    )
