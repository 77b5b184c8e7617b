"""Reasons why results are out of date, as causes, and where the config says what differs."""

from collections.abc import Iterator, Mapping
from typing import Any

from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.history.causes import Cause, CauseKind
from jwmirror.core.model.product import HASHED, Reason, ReasonCause

KINDS: dict[ReasonCause, CauseKind] = {
    "parameter": "parameter",
    "version": "version",
    "code": "code",
    "pipeline": "pipeline",
    "order": "order",
    "reference": "reference",
    "corrected": "corrected",
    "own file": "own file",
    "members": "members",
    "inputs": "inputs",
    "content": "raw",
}


def cause_of_reason(reason: Reason, recipe: str = "", where: str = "") -> Cause:
    """Return one difference of derivations as a cause, without hashes.

    Of a reason that earlier versions recorded, the words are the cause.
    """
    kind = KINDS.get(reason.cause)
    if kind is None or not reason.subject:
        return Cause("said", str(reason), recipe=recipe)
    old, new = ("", "") if reason.cause in HASHED else (reason.old, reason.new)
    if kind == "members":
        name = reason.subject
        old, new = ("", f"with {name}") if reason.new else (f"with {name}", "without")
        return Cause(kind, reason.stage, old, new, recipe)
    return Cause(kind, reason.subject, old, new, recipe, reason.stage, where=where)


def place_of_reason(
    config: Mapping[str, Any], places: Mapping[str, str], recipe: str, reason: Reason
) -> str:
    """Return where a config sets the parameter that differs, in words; "" if nothing does.

    `places`, by the paths of values. It may be set by the recipe, or one that it extends.
    """
    if reason.cause != "parameter":
        return ""
    end = f".{whole_pipeline(reason.stage)}.{reason.subject}"
    for each in _line(config, recipe):
        start = f"recipes.{each}."
        for path, place in places.items():
            if path.startswith(start) and path.endswith(end):
                return place
    return ""


def _line(config: Mapping[str, Any], recipe: str) -> Iterator[str]:
    """Yield a recipe, and those that it extends, by the config."""
    recipes: Any = config.get("recipes")
    seen: set[str] = set()
    while isinstance(recipes, Mapping) and recipe in recipes and recipe not in seen:
        yield recipe
        seen.add(recipe)
        recipe = (recipes[recipe] or {}).get("extends", "")
