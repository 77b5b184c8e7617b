"""What headers may say of an exposure, by the schema of the installed jwst's models."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jwmirror.core.errors import unknown
from jwmirror.pipeline.headers import NAMES, WHEELS
from jwmirror.pipeline.parameters.resolution import plain_value

CLOSED = ("instrument", "detector", "filter", "pupil", "grating", "exp_type")  # what flies
OF_REFERENCES = frozenset(["ANY", "MULTIPLE", "TFI", "UNKNOWN"])  # in the schema, and no exposure's


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
    return tuple(dict.fromkeys(each for each in map(str, found) if each not in OF_REFERENCES))


def mistakes(wanted: Any, key: str, place: str) -> Iterator[str]:
    """Values that no exposure has under a key of a match or selection, with the nearest right one.

    `wanted` is one value or a list of some; `place` begins the sentences.
    """
    keys = WHEELS.get(key, (key,))
    known = {plain_value(value): value for each in keys for value in values(each)}
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if known and plain_value(value) not in {*known, ""}:  # "": headers without the keyword
            yield f"{place}: {unknown(' or '.join(keys), value, sorted(known.values()))}"


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
