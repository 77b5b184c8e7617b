"""Reasons why results are out of date: as causes, traced through the levels of plans. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from jwmirror.core.grouping import group_by
from jwmirror.core.model.association import root_of
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.history.causes import Cause, CauseKind
from jwmirror.core.model.parameters import ParameterPlace
from jwmirror.core.model.plan import INPUTS_RECOMPUTED, Chain
from jwmirror.core.model.product import HASHED, Reason, ReasonCause

NAMED = 3  # inputs that have other content for a reason that no plan knows
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
    places: Iterable[ParameterPlace], recipe: str, reason: Reason, is_former: bool = False
) -> str:
    """Return where a config sets the value that differs, in words; "" if it does not.

    `is_former`: it sets the old value of the reason, otherwise the new one.
    """
    value = reason.old if is_former else reason.new
    name = f"{whole_pipeline(reason.stage)}.{reason.subject}"
    for each in places:
        if (each.recipe, each.name) == (recipe, name) and _is_set(each.value, reason, value):
            return each.place
    return ""


def _is_set(text: str, reason: Reason, value: str) -> bool:
    """Return whether the value of a parameter, as written in a config, is one of a reason."""
    if reason.cause == "parameter":
        return text == value or _plain(text) == _plain(value)
    if reason.cause == "reference":  # a file of the user, by its name without folder
        return text.rpartition("/")[2] == value
    return reason.cause == "corrected"  # the file has other content: the values are hashes


def _plain(text: str) -> object:
    """Return a value without its type: 5 is 5.0, and True is true."""
    try:
        return json.loads(text.lower())
    except ValueError:
        return text.lower()


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

    That inputs change is a reason only where nothing says why: of a file from MAST, or of a result
    that is published already. `chains` are those to compute, and results that are computed and not
    published.
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
    makers = {each: (name[0], root_of(each)) for each in sorted(changed or inputs)}
    traced = {maker for maker in makers.values() if maker in chains and maker != name}
    roots = [reason for maker in sorted(traced) for reason in trace(maker)]
    alone = {each for each in changed if makers[each] not in traced}
    if len(alone) <= NAMED:
        roots += [reason for reason in reasons if reason.subject in alone]
    if roots or not own:
        yield from roots or [INPUTS_RECOMPUTED]
