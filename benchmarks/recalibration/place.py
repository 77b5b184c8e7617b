"""A folder for measurements: exposures, references, and a mirror with both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from jwmirror.core.files import sha256_of
from jwmirror.core.model import Chain, Entry, Plan, Product, Receipt, Recipe
from jwmirror.engine.batch import calibrate
from jwmirror.pipeline.identity import downloaded_version
from jwmirror.planning.resolvers.by_environment import Resolvers, resolvers_of
from jwmirror.services.run.holdings import Holdings, describe_holdings
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.results import ResultStore
from jwmirror_simulator.exposure_sets import ExposureSet
from jwmirror_simulator.operations.associations import associations_of
from jwmirror_simulator.telescope.program import exposures_of

PROGRAM = 1345
TIMEOUT_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with exposures and a mirror that contains them."""

    folder: Path
    inputs: ExposureSet
    results: ResultStore
    holdings: Holdings

    @property
    def resolvers(self) -> Resolvers:
        """Return the resolvers of the one context."""
        return resolvers_of(self.inputs.crds_root, self.inputs.context)

    def plan(
        self, recipe: Recipe, below: Sequence[Plan] = (), receipts: Sequence[Receipt] = ()
    ) -> Plan:
        """Return the plan of a recipe's next level."""
        planner = LevelPlanner(self.holdings, [recipe], self.resolvers, self.results)
        return planner.plan_levels(below, receipts)[0]

    def chains(self, recipe: Recipe) -> list[Chain]:
        """Return the chains of a recipe's exposures."""
        return chains_of(self.plan(recipe))

    def calibrate(self, chains: Sequence[Chain]) -> Receipt:
        """Calibrate chains one at a time, as a job of the workflow does; all must succeed."""
        folders = (self.results.mirror / "work", self.results.mirror / "logs")
        receipt = calibrate(chains, self.results, 1, *folders, TIMEOUT_S)
        assert not receipt.failures, receipt.failures
        return receipt


def open_place(folder: Path, inputs: ExposureSet) -> Place:
    """Make a mirror in `folder` with the exposures and the associations of their program."""
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
    """Return the chains of all batches."""
    assert not plan.failures, plan.failures
    return list(plan.chains)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that `work` took in this process and all its child processes."""
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    """Return the CPU seconds so far of this process and its running and ended children."""
    whole = psutil.Process()
    times = [each.cpu_times() for each in (whole, *whole.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def _entry(results: ResultStore, path: Path) -> Entry:
    """Copy a file into the store and return its manifest row."""
    product = Product(
        uri=f"mast:JWST/product/{path.name}",
        filename=path.name,
        program=PROGRAM,
        observation="o001",
        suffix=path.stem.rpartition("_")[2],
    )
    version = downloaded_version(product, path, sha256_of(path), path.stat().st_size)
    copy = results.objects.incoming / f"copy-{path.name}"
    copy.write_bytes(path.read_bytes())
    results.objects.add(copy, version.sha256)
    return Entry(
        path=f"upstream/jw{PROGRAM:05d}/o001/{path.name}",
        origin="upstream",
        sha256=version.sha256,
        size=version.size,
        identity=version.identity,
        product=product,
        header=version.header,
    )
