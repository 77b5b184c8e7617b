"""Plan the recalibration of a mirror, level by level."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import LEVELS, Plan, Poll, Receipt, Recipe, References, Settling, Wait
from jwmirror.planning.inputs import available_files
from jwmirror.planning.plan import plan_associations, plan_exposures
from jwmirror.planning.resolvers import Resolvers
from jwmirror.planning.settling import settled_associations, settled_exposures
from jwmirror.services.run.holdings import Holdings, load_holdings
from jwmirror.services.run.references import offline_resolvers
from jwmirror.services.run.results import ResultStore


@dataclass(frozen=True, kw_only=True)
class PlannedLevels:
    """The plan of a level, those of the levels after it as far as known, and later refusals."""

    plan: Plan
    ahead: tuple[Plan, ...] = ()
    refused_later: tuple[Wait, ...] = ()


def plan_recalibration(
    *,
    mirror: Path,
    cache: Path,
    recipes: Sequence[Recipe],
    batch_size: int,
    poll: Poll,
    settling: Settling,
    references: References,
    below: Sequence[Plan],
    ahead: Sequence[Plan],
    receipts: Sequence[Receipt],
) -> PlannedLevels:
    """Plan the level after those `below`, and the ones after it while nothing is to be computed.

    `ahead` are the plans that the level below made in advance: then nothing is left to plan here.
    `receipts` are those of all batches below. With the first level, return what later levels will
    refuse, so that users know it before anything is computed.

    Raises:
        CalibrationError: the levels below were planned with another context or other engines.
    """
    if ahead:
        return PlannedLevels(plan=ahead[0], ahead=tuple(ahead[1:]))
    holdings = load_holdings(mirror, poll, settling, recipes)
    resolvers, results = offline_resolvers(cache, references), ResultStore(mirror)
    plans = plan_levels(holdings, recipes, resolvers, results, batch_size, below, receipts)
    refused = () if below else refused_after(plans, holdings, recipes, resolvers, results)
    return PlannedLevels(plan=plans[0], ahead=plans[1:], refused_later=refused)


def plan_levels(
    holdings: Holdings,
    recipes: Sequence[Recipe],
    resolvers: Resolvers,
    results: ResultStore,
    batch_size: int,
    below: Sequence[Plan] = (),
    receipts: Sequence[Receipt] = (),
    is_preview: bool = False,
) -> tuple[Plan, ...]:
    """Return the plan of the level after those `below`, and of those after it.

    Without `is_preview`, stop at the first level with something to compute. A preview plans all
    levels: results still to be computed are assumed to exist, with unknown content.
    """
    _check_one_state(below, recipes, resolvers)
    lookups = (recipes, resolvers, results, batch_size)
    plans: list[Plan] = []
    while len(below) + len(plans) < len(LEVELS):
        lower = (*below, *plans)
        if lower:
            assumed = lower if is_preview else ()
            plans.append(_plan_associations(holdings, lower, receipts, assumed, *lookups))
        else:
            plans.append(_plan_exposures(holdings, *lookups))
        if plans[-1].batches and not is_preview:
            break
    return tuple(plans)


def refused_after(
    plans: Sequence[Plan],
    holdings: Holdings,
    recipes: Sequence[Recipe],
    resolvers: Resolvers,
    results: ResultStore,
) -> tuple[Wait, ...]:
    """Return what the levels after these plans will refuse, whatever the batches give."""
    later = plan_levels(holdings, recipes, resolvers, results, 1, below=plans, is_preview=True)
    return tuple(wait for plan in later for wait in plan.failures)


def _plan_exposures(
    holdings: Holdings,
    recipes: Sequence[Recipe],
    resolvers: Resolvers,
    results: ResultStore,
    batch_size: int,
) -> Plan:
    """Plan the exposures that do not wait for an unsettled association."""
    entries, waits = settled_exposures(holdings.entries, holdings.unsettled, recipes)
    lookups = (resolvers, results.recall, results.published, batch_size)
    plan = plan_exposures(entries, holdings.associations, recipes, *lookups)
    return replace(plan, waits=(*waits, *plan.waits))


def _plan_associations(
    holdings: Holdings,
    lower: Sequence[Plan],
    receipts: Sequence[Receipt],
    assumed_done: Sequence[Plan],
    recipes: Sequence[Recipe],
    resolvers: Resolvers,
    results: ResultStore,
    batch_size: int,
) -> Plan:
    """Plan the settled associations of the stage after the `lower` plans.

    `assumed_done`: the lower plans whose results are assumed to exist.
    """
    stage = len(lower) + 1
    associations, waits = settled_associations(
        holdings.associations, holdings.unsettled, recipes, stage
    )
    problems = [problem for plan in lower for problem in (*plan.waits, *plan.failures)]
    available = available_files(
        holdings.entries,
        results=[result for plan in lower for result in plan.done]
        + [result for receipt in receipts for result in receipt.results],
        problems=problems + [failure for receipt in receipts for failure in receipt.failures],
        assumed_done=[
            chain for plan in assumed_done for batch in plan.batches.values() for chain in batch
        ],
    )
    lookups = (resolvers, results.recall, results.published, batch_size)
    plan = plan_associations(available, associations, recipes, *lookups, stage)
    reported = {(problem.recipe, problem.product) for problem in problems}
    waits = tuple(wait for wait in waits if (wait.recipe, wait.product) not in reported)
    return replace(plan, waits=(*waits, *plan.waits))


def _check_one_state(
    below: Sequence[Plan], recipes: Sequence[Recipe], resolvers: Resolvers
) -> None:
    """Raise CalibrationError unless the levels below have this context and these engines."""
    for plan in below:
        for recipe in recipes:
            before = (plan.context, plan.engines.get(recipe.name))
            now = (resolvers.context, before[1] and dict(resolvers.of(recipe.python).engine))
            if before != now:
                raise CalibrationError(
                    f"recipe {recipe.name}: the levels below were planned with {before}, this one "
                    f"would be with {now}. Results of the two are not combined. Run again, so that "
                    "all levels are planned with the same."
                )
