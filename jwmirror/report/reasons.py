"""Why results are out of date: the reasons of plans, traced through their levels. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from jwmirror.core.grouping import group_by
from jwmirror.core.model import Chain, Reason
from jwmirror.core.model.association import root_of
from jwmirror.core.model.history.reasons import cause_of_reason
from jwmirror.core.model.plan import INPUTS_RECOMPUTED

Name = tuple[str, str]  # recipe and product
PlaceOf = Callable[[str, Reason], str]  # of a recipe and a reason: the place in the config


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
