"""Where a measurement is made: exposures taken, references, and a mirror that holds both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from jwmirror.core.files import sha256_of
from jwmirror.core.model import Chain, Entry, Plan, Product, Receipt, Recipe
from jwmirror.engine.worker import calibrate
from jwmirror.pipeline.identity import version_of
from jwmirror.planning.resolvers import Resolvers, resolvers_of
from jwmirror.services.run.holdings import Holdings, describe_holdings
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.results import ResultStore
from jwmirror_simulator.exposure_sets import ExposureSet
from jwmirror_simulator.operations.associations import associations_of
from jwmirror_simulator.telescope.program import exposures_of

PROGRAM = 1345
TIMEOUT_S = 1800.0
BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder, what was observed, and a mirror in the folder that holds it."""

    folder: Path
    inputs: ExposureSet
    results: ResultStore
    holdings: Holdings

    @property
    def resolvers(self) -> Resolvers:
        """Of the one context."""
        return resolvers_of(self.inputs.crds_root, self.inputs.context)

    def plan(
        self, recipe: Recipe, below: Sequence[Plan] = (), receipts: Sequence[Receipt] = ()
    ) -> Plan:
        """What a recipe wants of the next level."""
        planner = LevelPlanner(self.holdings, [recipe], self.resolvers, self.results, BATCH_SIZE)
        return planner.plan_levels(below, receipts)[0]

    def chains(self, recipe: Recipe) -> list[Chain]:
        """What a recipe wants of the exposures."""
        return chains_of(self.plan(recipe))

    def calibrate(self, chains: Sequence[Chain]) -> Receipt:
        """Work chains off one at a time, as a job of the workflow does; all must do well."""
        folders = (self.results.mirror / "work", self.results.mirror / "logs")
        receipt = calibrate(chains, self.results, 1, *folders, TIMEOUT_S)
        assert not receipt.failures, receipt.failures
        return receipt


def open_place(folder: Path, inputs: ExposureSet) -> Place:
    """A new mirror in `folder` that holds the exposures and the associations of their program."""
    results = ResultStore(folder / "mirror")
    files = list(inputs.uncals)
    for each in associations_of(exposures_of(inputs.program)):
        files.append(results.objects.incoming / each.filename)
        files[-1].write_text(each.text())
    recipe = Recipe(name="plain", programs=(PROGRAM,))
    entries = tuple(_entry(results, file) for file in files)
    holdings = describe_holdings(results.mirror, entries, [recipe])
    return Place(folder=folder, inputs=inputs, results=results, holdings=holdings)


def chains_of(plan: Plan) -> list[Chain]:
    """The chains of all batches."""
    assert not plan.failures, plan.failures
    return list(plan.chains)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds that `work` took in this process and in all that it started or uses."""
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    """CPU seconds so far, of this process, the running ones below it, and the ended ones."""
    whole = psutil.Process()
    times = [each.cpu_times() for each in (whole, *whole.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def _entry(results: ResultStore, path: Path) -> Entry:
    """A file, copied into the store, as a row of a manifest."""
    product = Product(
        uri=f"mast:JWST/product/{path.name}",
        filename=path.name,
        program=PROGRAM,
        observation="o001",
        suffix=path.stem.rpartition("_")[2],
    )
    version = version_of(product, path, sha256_of(path), path.stat().st_size)
    copy = results.objects.incoming / f"copy-{path.name}"
    copy.write_bytes(path.read_bytes())
    results.objects.take(copy, version.sha256)
    return Entry(
        path=f"upstream/jw{PROGRAM:05d}/o001/{path.name}",
        origin="upstream",
        sha256=version.sha256,
        size=version.size,
        identity=version.identity,
        product=product,
        header=version.header,
    )
