"""Plan the recalibration of a mirror, level by level."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from jwmirror.core.errors import CalibrationError, as_typed
from jwmirror.core.model import (
    Plan,
    Poll,
    Receipt,
    Recipe,
    References,
    Selection,
    SettleResult,
    Wait,
)
from jwmirror.core.model.plan import STEPS, JobLimits
from jwmirror.planning.association_choice import describe_unmatched
from jwmirror.planning.builder import PlanBuilder
from jwmirror.planning.estimates.jobs import too_large
from jwmirror.planning.estimates.runtime import Times
from jwmirror.planning.exclusions import made_of_excluded
from jwmirror.planning.inputs import AvailableFiles, available_files
from jwmirror.planning.levels import (
    Names,
    grism_associations,
    images_of_mast,
    level_of,
    levels_of,
)
from jwmirror.planning.plan import plan_associations, plan_exposures
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.planning.settling import settled_associations, settled_exposures
from jwmirror.planning.single_steps import plan_steps
from jwmirror.report.limits import check_results
from jwmirror.services.run.holdings import Holdings, load_holdings, with_left_out
from jwmirror.services.run.jobs.arrivals import await_results
from jwmirror.services.run.references import offline_resolvers
from jwmirror.services.run.results import ResultStore, stage_times
from jwmirror.store.entries import results_of_run

SHOWN = 10  # warnings of one run


@dataclass(frozen=True, kw_only=True)
class PlannedLevels:
    """The plan of a level, those of the levels after it as far as known, and warnings.

    These come with the first level: what later levels will refuse, and what fits no partition.
    """

    plan: Plan
    ahead: tuple[Plan, ...] = ()
    warnings: tuple[str, ...] = ()


def plan_recalibration(
    *,
    mirror: Path,
    cache: Path,
    recipes: Sequence[Recipe],
    limits: JobLimits,
    poll: Poll,
    settling: SettleResult,
    references: References,
    below: Sequence[Plan],
    ahead: Sequence[Plan],
    receipts: Sequence[Receipt],
    max_results: int | None = None,
    selections: Sequence[Selection] = (),
    latency_s: float = 0.0,
) -> PlannedLevels:
    """Plan the level after those `below`, and the ones after it while nothing is to be computed.

    `ahead` are the plans that the level below made in advance: then nothing is left to plan here.
    `receipts` are those of all batches below. With the first level, return what later levels will
    refuse and what fits no partition, so that users know it before anything is computed. All
    levels together compute at most `max_results`; None: no limit. `selections` are those of the
    config. What other machines have written may appear up to `latency_s` seconds late.

    Raises:
        LimitError: more is to be computed than the limit allows.
        CalibrationError: the levels below were planned with another context or other engines.
    """
    if ahead:
        return PlannedLevels(plan=ahead[0], ahead=tuple(ahead[1:]))
    await_results(mirror, receipts, latency_s)
    holdings = with_left_out(load_holdings(mirror, poll, settling, recipes), selections)
    resolvers = offline_resolvers(cache, references)
    planner = LevelPlanner(
        holdings, recipes, resolvers, ResultStore(mirror), limits, stage_times(mirror)
    )
    plans = planner.plan_levels(below, receipts)
    later = () if below else planner.plan_levels(below=plans, is_preview=True)
    if not below:
        check_results((*plans, *later), max_results)
    warnings = () if below else tuple(warnings_of(plans, later, limits))
    return PlannedLevels(plan=plans[0], ahead=plans[1:], warnings=warnings)


def warnings_of(plans: Iterable[Plan], later: Sequence[Plan], limits: JobLimits) -> list[str]:
    """Return in words what later levels will refuse, and what fits no partition; SHOWN of many."""
    failures = (wait for plan in later for wait in plan.failures)
    chains = (chain for plan in (*plans, *later) for chain in plan.chains)
    warnings = [f"{each.recipe}/{each.product} will fail: {each.why}" for each in failures]
    warnings += too_large(chains, limits)
    if len(warnings) <= SHOWN:
        return warnings
    return [
        *warnings[:SHOWN],
        f"... and {len(warnings) - SHOWN} more; {as_typed('plan --all')} lists them",
    ]


@dataclass(frozen=True)
class LevelPlanner:
    """The planning of a mirror's levels, each after the ones below it."""

    holdings: Holdings
    recipes: Sequence[Recipe]
    resolvers: Resolvers
    results: ResultStore
    limits: JobLimits = field(default_factory=JobLimits)
    times: Times = field(default_factory=dict)  # of the mirror's stages

    def plan_levels(
        self, below: Sequence[Plan] = (), receipts: Sequence[Receipt] = (), is_preview: bool = False
    ) -> tuple[Plan, ...]:
        """Return the plan of the level after those `below`, and of those after it.

        Without `is_preview`, stop at the first level with something to compute. A preview plans
        all levels: results still to be computed are assumed to exist, with unknown content.

        Raises:
            CalibrationError: the levels below were planned with another context or other engines.
        """
        self._check_one_state(below)
        plans: list[Plan] = []
        for level in levels_of(self._grisms, self.recipes)[len(below) :]:
            lower = (*below, *plans)
            if not lower:
                plans.append(self._plan_exposures())
            elif level == STEPS:
                plans.append(self._plan_steps(lower, receipts, is_preview))
            else:
                plans.append(self._plan_associations(level, lower, receipts, is_preview))
            if plans[-1].batches and not is_preview:
                break
        return tuple(plans)

    @cached_property
    def _grisms(self) -> dict[str, Names]:
        """The associations that need products of their recipe's stage 3, settled or not."""
        return grism_associations(self.holdings.associations, self.recipes)

    @cached_property
    def _not_taken(self) -> dict[tuple[str, str, int], str]:
        """The reasons why recipes take no file of some of MAST's products, as made_of_excluded."""
        return made_of_excluded(self.holdings.associations, self.recipes)

    def _plan_exposures(self) -> Plan:
        """Plan the exposures that do not wait for an unsettled association."""
        entries, associations, unsettled, absent, own = self.holdings
        settled, waits = settled_exposures(entries, unsettled, self.recipes)
        builder = self._builder(available_files(settled, absent=absent, own=own), waits)
        builder.notes += self._notes()
        plan_exposures(builder, associations, self.recipes)
        return replace(builder.build(self.limits), levels=levels_of(self._grisms, self.recipes))

    def _notes(self) -> Iterator[str]:
        """Yield what of the recipes has no effect, or not the one that users may expect."""
        entries, associations, *_ = self.holdings
        for recipe in self.recipes:
            for part in describe_unmatched(entries, associations, recipe):
                yield f"recipe {recipe.name}: {part}"
            for product in images_of_mast(associations, recipe):
                yield (
                    f"recipe {recipe.name}: grism exposures read MAST's catalogue, segmentation "
                    f"map and image of {product}; to use your own, give the product of your "
                    "association this name"
                )

    def _plan_associations(
        self, name: str, lower: Sequence[Plan], receipts: Sequence[Receipt], is_preview: bool
    ) -> Plan:
        """Plan the settled associations of a level, after the `lower` plans."""
        associations, unsettled = self.holdings.associations, self.holdings.unsettled
        level = level_of(name, self._grisms)
        settled, waits = settled_associations(associations, unsettled, self.recipes, level.stage)
        reported = {(problem.recipe, problem.product) for problem in _problems(lower)}
        available = self._available(lower, receipts, is_preview)
        new_waits = [wait for wait in waits if (wait.recipe, wait.product) not in reported]
        builder = self._builder(available, new_waits)
        plan_associations(builder, settled, self.recipes, level)
        return builder.build(self.limits)

    def _plan_steps(
        self, lower: Sequence[Plan], receipts: Sequence[Receipt], is_preview: bool
    ) -> Plan:
        """Plan the steps that recipes run alone, after all stages."""
        builder = self._builder(self._available(lower, receipts, is_preview), ())
        results = results_of_run(lower, receipts)
        plan_steps(builder, self.holdings.associations, self.recipes, results)
        return builder.build(self.limits)

    def _available(
        self, lower: Sequence[Plan], receipts: Sequence[Receipt], is_preview: bool
    ) -> AvailableFiles:
        """Return the files that the levels below leave for the next one."""
        failures = [failure for receipt in receipts for failure in receipt.failures]
        return available_files(
            self.holdings.entries,
            results=results_of_run(lower, receipts),
            problems=[*_problems(lower), *failures],
            assumed_done=[chain for plan in lower for chain in plan.chains] if is_preview else (),
            absent=self.holdings.absent,
            own=self.holdings.own,
            not_taken=self._not_taken,
        )

    def _builder(self, available: AvailableFiles, waits: Iterable[Wait]) -> PlanBuilder:
        results = self.results
        return PlanBuilder(
            available,
            self.resolvers,
            results.recall,
            results.published_derivation,
            results.invalidation,
            self.times,
            waits=list(waits),
        )

    def _check_one_state(self, below: Sequence[Plan]) -> None:
        """Raise CalibrationError unless the levels below have this context and these engines."""
        for plan in below:
            for recipe in self.recipes:
                engine = plan.engines.get(recipe.name)  # None if nothing was planned for it
                before = (plan.context, engine)
                if engine is not None:
                    engine = dict(self.resolvers.of(recipe.python, recipe.context).engine)
                now = (self.resolvers.context, engine)
                if before != now:
                    raise CalibrationError(
                        f"recipe {recipe.name}: the levels below were planned with {before}, this "
                        f"one would be with {now}. Results of the two are not combined. Run again, "
                        "so that all levels are planned with the same."
                    )


def _problems(plans: Sequence[Plan]) -> list[Wait]:
    """Return what waits or is refused in plans."""
    return [problem for plan in plans for problem in (*plan.waits, *plan.failures)]
