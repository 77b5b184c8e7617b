"""Runs of the planning without jobs: what a level plans is taken to be computed."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror.core.model import Chain, Derivation, Entry, Failure, Receipt, Recipe, ResultFile
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import LEVELS, Plan, Result, Unsettled
from jwmirror.pipeline.derivation import bind, key_of
from jwmirror.services.run.holdings import Holdings
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.results import ResultStore
from tests.setup.plans import PlanSources, chains
from tests.setup.records import result, result_file

MAKES = {  # pipeline -> ends of the names of its files
    "detector1": ["rate.fits"],
    "image2": ["cal.fits"],
    "spec2": ["cal.fits", "x1d.fits"],
    "image3": ["i2d.fits", "cat.ecsv", "segm.fits"],
    "spec3": ["x1d.fits"],
    "spec2.extract_1d": ["x1d.fits"],
    "spec3.extract_1d": ["x1d.fits"],
    "image3.source_catalog": ["cat.ecsv", "segm.fits"],
}


class LevelRuns:
    """Runs of one mirror, level by level; `failing` pipelines fail."""

    def __init__(
        self,
        mirror: Path,
        associations: Associations,
        entries: Iterable[Entry],
        unsettled: tuple[Unsettled, ...] = (),
    ):
        self.sources, self.failing = PlanSources(), ""
        self.results = ResultStore(mirror)
        self.results.recall = self.sources.results.get
        self.results.published_derivation = self.sources.published
        self.holdings = Holdings(tuple(entries), associations, unsettled)
        self.made: list[tuple[Derivation, tuple[ResultFile, ...]]] = []  # in order

    def planner(self, *recipes: Recipe) -> LevelPlanner:
        """The planner of the next run."""
        return LevelPlanner(self.holdings, recipes, self.sources.resolvers, self.results)

    def run(self, *recipes: Recipe) -> tuple[dict[str, Plan], list[list[str]]]:
        """The plans of a run by level, and the pipelines that each level computed."""
        plans: list[Plan] = []
        receipts: list[Receipt] = []
        computed: list[list[str]] = []
        while len(plans) < len(plans[0].levels if plans else LEVELS):
            plans += self.planner(*recipes).plan_levels(plans, receipts)[:1]
            made, failures = [], []
            for chain in chains(plans[-1]):
                results, failed = self._compute(chain)
                made += results
                failures += failed
            computed.append([each.pipeline for each in made])
            receipts.append(Receipt(results=tuple(made), failures=tuple(failures)))
        return dict(zip(plans[0].levels, plans, strict=True)), computed

    def _compute(self, chain: Chain) -> tuple[list[Result], list[Failure]]:
        files: tuple[ResultFile, ...] = ()
        made: list[Result] = []
        for derivation in chain.derivations:
            bound = bind(derivation, files) if files else derivation
            if bound.pipeline == self.failing:
                return made, [Failure("x", "no sources", chain.recipe, chain.product)]
            key = key_of(bound)
            names = [f"{bound.product}_{end}" for end in MAKES[bound.pipeline]]
            files = tuple(result_file(name, f"{key[:8]}-{name}") for name in names)
            self.sources.results[key] = files
            self.sources.derivations[chain.recipe, bound.product, bound.pipeline] = bound
            self.made.append((bound, files))
            made.append(result(bound.pipeline, bound.product, *files, key=key))
        return made, []
