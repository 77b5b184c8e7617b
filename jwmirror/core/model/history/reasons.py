"""Reasons why results are out of date: as causes, traced through the levels of plans. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from jwmirror.core.grouping import group_by
from jwmirror.core.model.association import root_of
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.history.causes import Cause, CauseKind
from jwmirror.core.model.plan import INPUTS_RECOMPUTED, Chain
from jwmirror.core.model.product import HASHED, Reason, ReasonCause

Name = tuple[str, str]  # recipe and product
PlaceOf = Callable[[str, Reason], str]  # of a recipe and a reason: the place in the config
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
    config: Mapping[str, object], places: Mapping[str, str], recipe: str, reason: Reason
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


def _line(config: Mapping[str, object], recipe: str) -> Iterator[str]:
    """Yield a recipe, and those that it extends, by the config."""
    recipes = config.get("recipes")
    seen: set[str] = set()
    while isinstance(recipes, Mapping) and recipe in recipes and recipe not in seen:
        yield recipe
        seen.add(recipe)
        below = recipes[recipe]
        recipe = below.get("extends", "") if isinstance(below, Mapping) else ""


# ---- why results are out of date ---------------------------------------------------------------


def no_place(recipe: str, reason: Reason) -> str:
    """Return "": the config is not known."""
    return ""


def words_of(reason: Reason, where: str = "") -> str:
    """Return a reason for recalibrating in words, without hashes; `where` the config says so."""
    if reason.cause == "new":
        return "no result in the mirror yet"
    return cause_of_reason(reason, where=where).words


def traced_reasons(chains: Iterable[Chain]) -> dict[Name, tuple[Reason, ...]]:
    """Return why each product is out of date: its own reasons, and those of its inputs.

    That inputs change is a reason only where nothing says why. `chains` are those to compute, and
    results that are computed and not published.
    """
    by_name = group_by(chains, lambda chain: (chain.recipe, chain.product))
    traced: dict[Name, tuple[Reason, ...]] = {}

    def trace(name: Name) -> tuple[Reason, ...]:
        if name not in traced:
            traced[name] = ()  # no product is an input of itself
            traced[name] = tuple(dict.fromkeys(_reasons(name, by_name, trace)))
        return traced[name]

    return {name: trace(name) for name in by_name}


def _reasons(
    name: Name, chains: Mapping[Name, Sequence[Chain]], trace: Callable[[Name], tuple[Reason, ...]]
) -> Iterator[Reason]:
    reasons = [reason for chain in chains[name] for reason in chain.reasons]
    own = [reason for reason in reasons if reason.cause != "inputs"]
    yield from own
    if len(own) == len(reasons):
        return
    inputs = {item.name for chain in chains[name] for item in chain.derivations[0].inputs}
    changed = {reason.subject for reason in reasons if reason.cause == "inputs"} - {""}
    makers = {(name[0], root_of(each)) for each in (changed or inputs)} - {name}
    roots = [reason for maker in sorted(makers & chains.keys()) for reason in trace(maker)]
    if roots or not own:
        yield from roots or [INPUTS_RECOMPUTED]
