"""Values of parameters that are written as in Python: None, (100, 100), Path("stars.ecsv").

YAML reads them as text. Within braces it also splits a tuple at its commas:
{output_shape: (100,100)} has the keys `output_shape` and `100)`.
"""

import ast
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

PATH = re.compile(r"(?:pathlib\.)?(?:Pure)?Path\(\s*r?(['\"])(?P<path>[^'\"]*)\1\s*\)")
PLAIN = int | float | bool | str | None  # elements that a tuple may have


def without_python_notation(value: Any) -> Any:
    """Return a value, or all values in lists and mappings, as YAML would have them.

    Other texts are returned as they are.
    """
    if isinstance(value, Mapping):
        joined = _with_joined_tuples(value)
        return {name: without_python_notation(each) for name, each in joined.items()}
    if isinstance(value, list):
        return [without_python_notation(each) for each in value]
    return _from_python(value) if isinstance(value, str) else value


def _from_python(text: str) -> Any:
    written = text.strip()
    if written == "None":
        return None
    if path := PATH.fullmatch(written):
        return path["path"]
    if written.startswith("(") and written.endswith(")"):
        with suppress(ValueError, SyntaxError):
            content = ast.literal_eval(written)
            if isinstance(content, tuple) and all(isinstance(each, PLAIN) for each in content):
                return list(content)
    return text


def _with_joined_tuples(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which a tuple that YAML has split into keys is one text again."""
    joined: dict[str, Any] = {}
    opened = ""  # the key whose tuple is not closed yet
    for name, value in mapping.items():
        if opened and value is None:
            joined[opened] = f"{joined[opened]}, {name}"
            opened = "" if str(name).endswith(")") else opened
        else:
            joined[name] = value
            is_open = isinstance(value, str) and value.startswith("(") and ")" not in value
            opened = str(name) if is_open else ""
    return joined
