"""Entries of `programs` that search MAST, as records, and the mistakes in them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jwmirror.config.selections import DAY, is_day
from jwmirror.config.yaml_files import no_day
from jwmirror.core.model import Selection
from jwmirror.core.model.search import Cone, Search

KEYS_OF_SEARCH = ("targets", "position", "category", "released_after")
RADIUS = re.compile(r"([0-9.]+) ?(deg|arcmin|arcsec)", re.ASCII)
DEGREES = {"deg": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}
LARGEST_RADIUS = 10.0  # degrees
DEFAULT_RADIUS = "3 arcmin"  # as in MAST's form for JWST


def is_search(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of `programs` is a search."""
    return any(key in entry for key in KEYS_OF_SEARCH)


def search_of(entry: Mapping[str, Any], place: str, criteria: Selection) -> Search:
    """Return an entry as a search; `criteria` are those of what it finds."""
    position = entry.get("position")
    targets = tuple(entry.get("targets", ()))
    return Search(
        place=place,
        criteria=criteria,
        targets=targets,
        radius=degrees(entry.get("radius", DEFAULT_RADIUS)) if targets else 0.0,
        position=position
        and Cone(
            ra=float(position["ra"]) % 360,
            dec=float(position["dec"]),
            radius=degrees(position["radius"]),
        ),
        categories=tuple(sorted(set(entry.get("category", ())))),
        released_after=entry.get("released_after", ""),
    )


def degrees(radius: str) -> float:
    """Return a radius, given with its unit, in degrees. ValueError if the text is no radius."""
    match = RADIUS.fullmatch(radius)
    if not match:
        raise ValueError(radius)
    return float(match[1]) * DEGREES[match[2]]


def search_mistakes(entry: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and mistake of what an entry lacks, and of what has no meaning in it."""
    if "program" not in entry and not is_search(entry):
        yield (), f"missing key program (or, to search MAST: {', '.join(KEYS_OF_SEARCH)})"
    for key in {"observations", "candidates"} & entry.keys():
        if "program" not in entry and entry[key] != ["auto"]:
            yield (key,), "it belongs to one program: add `program`, or delete it"
    if "targets" in entry and "position" in entry:
        yield ("position",), "found beside `targets`; make two entries, one for each"
    if "radius" in entry and "targets" not in entry:
        yield ("radius",), "found without `targets`; the radius of a position is in `position`"
    day = entry.get("released_after")
    if isinstance(day, str) and DAY.fullmatch(day) and not is_day(day):
        yield ("released_after",), no_day(day)
    position = entry.get("position")
    of_position = position.get("radius") if isinstance(position, Mapping) else None
    for path, radius in ((("radius",), entry.get("radius")), (("position", "radius"), of_position)):
        yield from ((path, why) for why in _radius_mistakes(radius))


def _radius_mistakes(radius: Any) -> Iterator[str]:
    """Yield why a radius has no meaning; one without a unit is for the schema."""
    try:
        value = degrees(str(radius)) if radius is not None else LARGEST_RADIUS
    except ValueError:
        return
    if not 0 < value <= LARGEST_RADIUS:
        yield f"found {radius!r}, expected more than 0 and at most {LARGEST_RADIUS:g} deg"
