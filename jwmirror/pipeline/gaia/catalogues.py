"""The catalogues that tweakreg queries while it runs, and the parameters that ask for them."""

import re
from collections.abc import Mapping
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.pipeline.headers import is_moving_target

PARAMETER = "abs_refcat"
CATALOGUES = ("GAIAREFCAT", "GAIADR3", "GAIADR2", "GAIADR1")  # GSSS_CATALOGS of stcal
LIKE_GAIA = re.compile(r"\s*GAIA\w*\s*", re.IGNORECASE)  # no file is meant


def is_catalogue(value: object) -> bool:
    """Return whether a value of abs_refcat names a catalogue of Gaia, and no file."""
    return isinstance(value, str) and bool(LIKE_GAIA.fullmatch(value))


def catalogue_mistake(value: str) -> str:
    """Return why a catalogue cannot be used; "" if it can. jwst ignores case and blanks."""
    name = value.strip().upper()
    if name in CATALOGUES:
        return ""
    return (
        f"found {value!r}, a catalogue that jwmirror does not store, and workers may have no "
        f"network; expected {', '.join(CATALOGUES)}, a catalogue file, or '' for no absolute "
        "alignment"
    )


def requested_catalogues(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the catalogues that steps will query, by full name: {"tweakreg.abs_refcat": ...}."""
    steps = parameters.get("steps", {}).items()
    return {
        f"{step}.{PARAMETER}": values[PARAMETER].strip().upper()
        for step, values in steps
        if not values.get("skip") and is_catalogue(values.get(PARAMETER))
    }


def queried_catalogues(parameters: Mapping[str, Any], header: str) -> dict[str, str]:
    """Return the catalogues as `requested_catalogues`; none for a mosaic of a moving target.

    `header` is that of the first science member. jwst's Image3Pipeline reads the same header, and
    does not run tweakreg for a moving target.
    """
    return {} if is_moving_target(header) else requested_catalogues(parameters)


def check_catalogues(parameters: Mapping[str, Any], source: str) -> None:
    """Raise CalibrationError if a step would query a catalogue that jwmirror does not store.

    `source` is the parameter reference that sets this, if one does.
    """
    for name, catalogue in requested_catalogues(parameters).items():
        if why := catalogue_mistake(catalogue):
            raise CalibrationError(f"{name} (set by {source or 'the recipe'}): {why}.")
