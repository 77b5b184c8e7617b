"""A mirror in which simulated programs are calibrated and judged, by the services of a run."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jwmirror.core.files import sha256_of
from jwmirror.core.jsonio import parse
from jwmirror.core.model import Entry, Plan, Receipt, Recipe, References
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.core.model.quality import Caveat, CaveatCause, JudgedResult, Quality
from jwmirror.engine.batch import calibrate
from jwmirror.pipeline.identity import downloaded_version
from jwmirror.planning.quality import causes_of
from jwmirror.services.run.holdings import describe_holdings
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.quality.publication import PublicationPolicy, judged_rows
from jwmirror.services.run.references import offline_resolvers
from jwmirror.services.run.results import ResultStore
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from tests.quality.programs import SimulatedProgram
from tests.setup.records import entry, product

CONTEXT = "jwst_0001.pmap"
PROGRAM = re.compile(r"jw(\d{5})")
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class BenchResult:
    """One result, or one that could not be made, and what jwmirror says about it."""

    recipe: str
    program: int
    name: str  # pipeline/product
    key: str
    quality: Quality
    failure: str = ""  # why it could not be made; it has no quality then

    @property
    def pipeline(self) -> str:
        """The pipeline that made it."""
        return self.name.partition("/")[0]

    @property
    def causes(self) -> tuple[CaveatCause, ...]:
        """The causes of its caveats, each once; those of members included."""
        return causes_of(self.quality.caveats)


@dataclass
class Bench:
    """A mirror with programs, and a folder to work in."""

    root: Path
    workers: int = 2
    upstream: list[Entry] = field(default_factory=list)

    @property
    def mirror(self) -> Path:
        """Where everything is stored."""
        return self.root / "mirror"

    def take(self, program: SimulatedProgram) -> None:
        """Mirror the files of a program."""
        for path in (*program.uncals, *program.tables):
            self._take(path)

    def take_results(self, recipe: str) -> None:
        """Mirror the published results of a recipe, as if MAST had made them."""
        for row in Generations(self.mirror).entries():
            if row.origin == recipe:
                item = _product(row.filename)
                self.upstream.append(entry(item, sha256=row.sha256, size=row.size))

    def _take(self, path: Path) -> None:
        item, sha256, size = _product(path.name), sha256_of(path), path.stat().st_size
        facts = {}
        if item.suffix == "uncal":
            version = downloaded_version(item, path, sha256, size)
            assert not version.refusal, version.refusal
            facts = {"identity": version.identity, "header": version.header}
        incoming = Objects(self.mirror).incoming / path.name
        incoming.write_bytes(path.read_bytes())
        Objects(self.mirror).add(incoming)
        self.upstream.append(entry(item, sha256=sha256, size=size, **facts))

    def run(
        self, crds_root: Path, *recipes: Recipe, findings: Sequence[ReferenceFinding] = ()
    ) -> list[BenchResult]:
        """Calibrate, judge and publish what the recipes ask for; return their results."""
        references = References(context=CONTEXT, server="", files={}, findings=tuple(findings))
        plans, receipts = self._calibrate(crds_root, references, recipes)
        before = Generations(self.mirror).entries()
        policy = PublicationPolicy()
        judged = judged_rows(
            self.mirror, before, self.upstream, references, plans, receipts, policy
        )
        names = {recipe.name for recipe in recipes}
        others = [row for row in before if row.product is None and row.origin not in names]
        rows = {row.path: row for row in (*self.upstream, *others, *judged.rows)}
        Generations(self.mirror).publish(rows.values(), "run", {"context": CONTEXT})
        failures = [failure for receipt in receipts for failure in receipt.failures]
        refused = [wait for plan in plans for wait in (*plan.failures, *plan.waits)]
        return [
            *_of_rows(row for row in judged.rows if row.origin in names),
            *(_of_held_back(each) for each in judged.held_back),
            *(_unmade(each.recipe, each.product, each.message) for each in failures),
            *(_unmade(each.recipe, each.product, each.why) for each in refused),
        ]

    def _calibrate(
        self, crds_root: Path, references: References, recipes: Sequence[Recipe]
    ) -> tuple[list[Plan], list[Receipt]]:
        holdings = describe_holdings(self.mirror, tuple(self.upstream), recipes)
        resolvers = offline_resolvers(crds_root.absolute(), references)
        planner = LevelPlanner(holdings, recipes, resolvers, ResultStore(self.mirror))
        plans: list[Plan] = []
        receipts: list[Receipt] = []
        while not plans or len(plans) < len(plans[0].levels):
            plans += planner.plan_levels(plans, receipts)
            if chains := plans[-1].chains:
                receipts.append(
                    calibrate(
                        chains,
                        ResultStore(self.mirror),
                        self.workers,
                        self.root / "work",
                        self.root / "logs",
                        TIMEOUT_S,
                    )
                )
        return plans, receipts


def _of_rows(rows: Iterable[Entry]) -> list[BenchResult]:
    """Return the results of published rows."""
    results = {}
    for row in rows:
        caveats = parse(row.caveats, tuple[Caveat, ...]) if row.caveats else ()
        quality = Quality(word=row.quality, caveats=caveats)
        name = (row.origin, row.result)
        program = _program(row.path)
        results[name] = BenchResult(row.origin, program, row.result, row.key, quality)
    return list(results.values())


def _of_held_back(held: JudgedResult) -> BenchResult:
    name = f"{held.pipeline}/{held.product}"
    return BenchResult(held.recipe, _program(held.product), name, held.key, held.quality)


def _unmade(recipe: str, product: str, why: str) -> BenchResult:
    return BenchResult(recipe, _program(product), f"/{product}", "", Quality(word=""), why)


def _product(filename: str):
    return product(filename, program=_program(filename))


def _program(name: str) -> int:
    """Return the number of a program in a file name or path."""
    number = PROGRAM.search(name)
    return int(number[1]) if number else 0
