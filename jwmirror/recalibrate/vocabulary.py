"""What headers may say of an exposure, by the schema of the installed jwst's models."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from jwmirror.recalibrate.headers import NAMES
from jwmirror.recalibrate.parameters import plain_value

CLOSED = ("instrument", "detector", "filter", "pupil", "grating", "exp_type")  # what flies
MOST = 40  # values that a mistake lists


@cache
def values(key: str) -> tuple[str, ...]:
    """The values that there are of a where-block's key; none where there may be others.

    The schema lists subarrays and readout patterns too, but observers are given new ones. Imports
    stdatamodels, which takes a second.
    """
    if key not in CLOSED:
        return ()
    from stdatamodels.jwst.datamodels import JwstDataModel

    found = _listed(JwstDataModel().schema, NAMES[key].split("."))
    return tuple(dict.fromkeys(map(str, found)))


def mistakes(wanted: Any, keys: Sequence[str], place: str) -> Iterator[str]:
    """Values that no exposure has under any of some keys, with the nearest right ones.

    `wanted` is one value or a list of some; `place` begins the sentences.
    """
    known = {plain_value(each): each for key in keys for each in values(key)}
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if known and plain_value(value) not in known:
            yield f"{place}: {_unknown(str(value), ' or '.join(keys), list(known.values()))}"


def _unknown(value: str, key: str, known: list[str]) -> str:
    near = get_close_matches(value.upper(), known, n=3, cutoff=0.6)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    allowed = f" Allowed: {', '.join(sorted(known))}." if len(known) <= MOST else ""
    return f"found {value!r}, which no exposure has for its {key}{guess or '.'}{allowed}"


def _listed(schema: Any, path: list[str]) -> Iterator[Any]:
    """The enumerations that a schema has for a place in the metadata, in all its parts."""
    if not isinstance(schema, Mapping):
        return
    if not path:
        yield from schema.get("enum", ())
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from _listed(part, path)
    if path:
        yield from _listed(schema.get("properties", {}).get(path[0]), path[1:])
