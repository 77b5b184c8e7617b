"""Values that criteria can have: those of header keywords, and the suffixes of file names.

They come from the installed stdatamodels and jwst, whose lists are read without importing the
pipelines; where these are not installed, from values.json, which `make docs` writes from them. MAST
has a few suffixes that jwst does not list.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from jwmirror.core.errors import unknown_name
from jwmirror.core.matching import (
    FILE,
    PAIR,
    WHEELS,
    criteria_of,
    describe_match,
    is_possible_name,
    normalise_value,
    overlap,
)
from jwmirror.core.names import NUMBERED, PREVIEWS
from jwmirror.pipeline.headers import NAMES
from jwmirror.pipeline.installed import can_recalibrate

CLOSED = ("instrument", "detector", "filter", "pupil", "grating", "exp_type")  # hardware
OF_REFERENCES = frozenset(["ANY", "MULTIPLE", "TFI", "UNKNOWN"])  # of references only
SCHEMA = "jwst/datamodels/schemas/core.schema.yaml"  # of stdatamodels: keywords of all products
RELEASE = Path(__file__).with_name("values.json")
SUFFIX = re.compile(r"(?!.*(?:step|pipeline)$)[a-z0-9-]+")  # jwst lists names of steps, too
SUFFIXES_OF_MAST = (
    *("recommended",),  # not a suffix: CAOM's group of minimum recommended products
    *("asn", "pool"),  # jwst.associations
    *("msa", "segm", "stream"),  # jwst documentation: Data Products Information
    *("trapsfilled", "fitopt"),  # the same, of earlier versions
    *("psf-ami-oi", "amimulti-oi", "amilg"),  # jwst.ami_analyze, calwebb_ami3
    *("amiavg", "psf-ami", "psf-amiavg", "psf-aminorm"),  # the same, of earlier versions
    *PREVIEWS,  # CAOM: PREVIEW and THUMBNAIL
)


def criterion_mistakes(wanted: Any, key: str, place: str) -> Iterator[str]:
    """Yield a message for each value of a criterion that no exposure or product can have.

    `wanted` is one value or a list of values; `place` is its place in the config.
    """
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        text = normalise_value(value)
        if key == "product":
            yield from (f"{place}: {mistake}" for mistake in _suffix_mistakes(text))
        elif key == FILE:
            yield from () if is_possible_name([text]) else [f"{place}: {_no_file(value)}"]
        elif key == "filter" and PAIR in text:
            yield from (f"{place}: {mistake}" for mistake in _pair_mistakes(value, text))
        else:
            keys = WHEELS if key == "filter" else (key,)
            known = {normalise_value(each): each for k in keys for each in allowed_values(k)}
            if known and text not in {*known, ""}:  # "": headers without the keyword
                yield f"{place}: {unknown_name(' or '.join(keys), value, sorted(known.values()))}"


def match_mistakes(match: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield the mistakes in criteria that one exposure must meet; `place` is theirs in the config.

    Without a mistake in one of them, yield one if no exposure meets all of them. Elements of the
    wheels are left out of that: calibration programs use unusual pairs.
    """
    mistakes = [
        mistake
        for key, wanted in match.items()
        for mistake in criterion_mistakes(wanted, key, f"{place}.{key}")
    ]
    yield from mistakes
    others = {key: wanted for key, wanted in match.items() if key not in WHEELS}
    if not mistakes and overlap(criteria_of(others), {}) is None:
        yield f"{place}: no exposure meets both {_both(others)}; correct or remove one of them"


def _both(match: Mapping[str, Any]) -> str:
    """Return the first two criteria that no exposure meets, in words; all if there are no such."""
    for pair in combinations(match.items(), 2):
        if overlap(criteria_of(dict(pair)), {}) is None:
            return " and ".join(describe_match({key: wanted}) for key, wanted in pair)
    return describe_match(match)


def _no_file(pattern: Any) -> str:
    return (
        f"found {pattern!r}, which no exposure's file is named like; expected a name such as "
        "jw01345002001_02101_00001_nrcalong_uncal.fits (or _rate, _rateints, _cal, _calints), or "
        "a pattern such as jw01345002001_02101_00001_nrcalong*"
    )


def _suffix_mistakes(text: str) -> Iterator[str]:
    suffix = NUMBERED.sub("", text.lower())
    if suffix not in suffixes():
        name = text.lower().partition(".")[0]  # uncal.fits
        unknown = unknown_name("suffix", name if name in suffixes() else text.lower(), suffixes())
        unknown = (
            f"found {text.lower()!r}; did you mean {name!r}?" if name in suffixes() else unknown
        )
        stop = "" if unknown.endswith("?") else ";"
        yield f"{unknown}{stop} `files` selects other products by patterns of their names"


def _pair_mistakes(value: Any, text: str) -> Iterator[str]:
    """Yield why a text is not a pair of an element of the filter wheel and one of the pupil's."""
    filters, pupils = (frozenset(allowed_values(key)) for key in WHEELS)
    elements = text.split(PAIR)
    for element in elements:
        if element not in filters | pupils:
            yield f"{unknown_name('filter or pupil', element, sorted(filters | pupils))}"
            return
    is_pair = len(elements) == 2 and any(
        one in filters and other in pupils for one, other in (elements, reversed(elements))
    )
    if not is_pair:
        yield (
            f"found {value!r}, expected one element of the filter wheel and one of the pupil "
            "wheel, such as F444W+F405N"
        )


@cache
def allowed_values(key: str) -> tuple[str, ...]:
    """Return all values that a key of criteria can have; empty if new ones may be added.

    The schema lists subarrays and readout patterns too, but new ones are introduced for observers.
    """
    if key not in CLOSED:
        return ()
    if not can_recalibrate():
        return tuple(_values_of_release()[key])
    found = _listed(_keyword_schema(), NAMES[key].split("."))
    return tuple(dict.fromkeys(each for each in map(str, found) if each not in OF_REFERENCES))


@cache
def suffixes() -> tuple[str, ...]:
    """Return the suffixes that products at MAST can have, sorted."""
    if not can_recalibrate():
        return tuple(_values_of_release()["suffix"])
    from jwst.lib.suffix import KNOW_SUFFIXES

    return tuple(sorted({*filter(SUFFIX.fullmatch, KNOW_SUFFIXES), *SUFFIXES_OF_MAST}))


@cache
def _values_of_release() -> dict[str, list[str]]:
    """Return what the others return with the jwst of envs/jwmirror.lock, by key and as `suffix`."""
    return json.loads(RELEASE.read_text())


@cache
def _keyword_schema() -> Any:
    """Return the schema of the keywords of all products; importing stdatamodels takes seconds."""
    package = find_spec("stdatamodels")  # installed with jwst
    folder = Path(package.origin or "").parent if package else Path()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: ten times as fast
    return yaml.load((folder / SCHEMA).read_text(), loader)  # noqa: S506, both are safe


def _listed(schema: Any, path: list[str]) -> Iterator[Any]:
    """Yield the enumerated values of a schema for an attribute of the metadata."""
    if not isinstance(schema, Mapping):
        return
    if not path:
        yield from schema.get("enum", ())
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from _listed(part, path)
    if path:
        yield from _listed(schema.get("properties", {}).get(path[0]), path[1:])
