"""Time, memory and inodes of runs and commands on mirrors of 1,000 to 100,000 products.

`python -m benchmarks scale [demo] [PRODUCTS ...] [--rounds N]`. Mirrors of PRODUCTS have sparse
files, and CAOM lists their products in observations of 50. A run finds nothing new; then ten
products are reprocessed, and the run is followed until its first job of fetching starts, and to its
end. `demo` is the small mirror in tests/fixtures (44 files, two recipes), and the Snakemake of a
job there, as a scheduler runs it, until its script starts. All is beside `snakemake --version`, the
least that a run can take. 1000000 has no goal. Measure on an idle machine.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from pathlib import Path

import yaml

from benchmarks.scale.jobs import job_of_scheduler
from benchmarks.scale.mirrors import sparse_mirror
from benchmarks.scale.processes import MB, ROOT, Cost, cost_of, cost_until
from demo.site import Site
from jwmirror_simulator.mast.archive import TOKEN
from tests.setup.old_mirror import run_old_mirror, served_old_mirror

VERSION, HELP = "snakemake --version", "jwmirror --help"
CHECK, STATUS, PLAN = "jwmirror check", "jwmirror status", "jwmirror plan"
UNCHANGED, JOB = "an unchanged run", "the Snakemake of one job"
FIRST_JOB, CHANGED = "10 changed products, to the first job", "the same, to the end"
DEMO, GOAL = "demo", 100_000  # products of the mirror that has goals
FETCH, CALIBRATE = "fetch_products.py", "calibrate_batch.py"
LIMITS_S = {HELP: 0.3, CHECK: 1.5, STATUS: 1.5}  # CPU seconds
ADDED_S = {  # CPU seconds beside `snakemake --version`
    DEMO: {UNCHANGED: 4.0, JOB: 1.0},
    str(GOAL): {UNCHANGED: 8.0, FIRST_JOB: 6.0},
}
LARGEST_MB = {str(GOAL): {UNCHANGED: 400.0}}  # of one process
ADDED_MB = {DEMO: {JOB: 150.0}}  # beside `snakemake --version`

Works = Mapping[str, Callable[[], Cost]]


def main() -> str | None:
    """Print the figures; return a message if a goal is missed."""
    multiprocessing.set_start_method("spawn", force=True)
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    sizes = [DEMO, "1000", "10000", str(GOAL)]
    parser.add_argument("mirrors", nargs="*", default=sizes, metavar="demo|PRODUCTS")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the medians of")
    asked = parser.parse_args()
    missed = []
    for name in asked.mirrors:
        costs = demo(asked.rounds) if name == DEMO else scale(int(name), asked.rounds)
        missed += [f"{name}: {words}" for words in show(name, costs)]
    return "; ".join(missed) or None


def show(name: str, costs: Iterable[tuple[str, Cost]]) -> Iterator[str]:
    """Print what is measured on one mirror; yield the goals that were missed."""
    print(f"\n{name:38} CPU s  wall s  MB of the largest process, of all")
    version: Cost | None = None
    for work, cost in costs:
        version = version or cost  # it comes first
        cpu, wall, largest, together = astuple(cost)
        print(f"{work:38} {cpu:5.2f} {wall:7.1f} {largest:8.0f} {together:6.0f}", flush=True)
        yield from _missed(name, work, cost, version)


def _missed(name: str, work: str, cost: Cost, version: Cost) -> Iterator[str]:
    added_s, added_mb = (added.get(name, {}).get(work) for added in (ADDED_S, ADDED_MB))
    limit_s = LIMITS_S.get(work) if added_s is None else version.cpu_s + added_s
    limit_mb = LARGEST_MB.get(name, {}).get(work)
    if added_mb is not None:
        limit_mb = version.largest_mb + added_mb
    if limit_s is not None and cost.cpu_s > limit_s:
        yield f"{work} {cost.cpu_s:.2f} s, goal {limit_s:.2f}"
    if limit_mb is not None and cost.largest_mb > limit_mb:
        yield f"{work} {cost.largest_mb:.0f} MB, goal {limit_mb:.0f}"


# ---- the demo's mirror -----------------------------------------------------------------------


def demo(rounds: int) -> Iterator[tuple[str, Cost]]:
    """Yield the costs on the demo's mirror, which has recipes."""
    with tempfile.TemporaryDirectory() as folder, served_old_mirror(Path(folder)) as site:
        paths = os.pathsep.join((str(site.folder), str(ROOT)))  # with the user's function
        environment = {"PYTHONPATH": paths, "MAST_API_TOKEN": TOKEN}
        run_old_mirror(site)  # an upgrade: all rules run, and the description of inputs may change
        run = [sys.executable, "-m", *site.command()]
        works = works_of(run, site.config_file, environment)
        do_once(works)
        yield from medians(works, rounds)
        assert site.run().confirmed, "the runs did not end early"
        _change_recipe(site)
        with job_of_scheduler(site, environment) as (job, of_job):
            yield from medians({JOB: lambda: cost_until(job, CALIBRATE, of_job)}, rounds)


def _change_recipe(site: Site) -> None:
    """Give the recipes a parameter that makes all exposures out of date."""
    config = yaml.safe_load(site.config_file.read_text())
    for recipe in config["recipes"].values():
        parameters = recipe.setdefault("parameters", {}).setdefault("detector1", {})
        parameters.setdefault("jump", {})["rejection_threshold"] = 6.5
    site.config_file.write_text(yaml.safe_dump(config))


# ---- mirrors of many products ----------------------------------------------------------------


def scale(products: int, rounds: int) -> Iterator[tuple[str, Cost]]:
    """Yield the costs on a mirror of so many products; print its files, and how these grow."""
    with sparse_mirror(products) as mirror:
        run = [sys.executable, "-m", "snakemake", "--configfile", str(mirror.config)]
        cost_of(run)  # the first one goes through all rules
        works = works_of(run, mirror.config, {})
        do_once(works)
        before = mirror.disk()
        yield from medians(works, rounds)
        after = mirror.disk()
        print(f"{products:,} products: {before[0]:,} inodes, {before[1] / MB:.1f} MB of records")
        print(f"each unchanged run: {_growth(before, after, rounds)}")
        mirror.reprocess(0)
        yield FIRST_JOB, median([cost_until(run, FETCH) for _ in range(rounds)])
        yield CHANGED, cost_of(run)
        print(f"first run with changes: {_growth(after, mirror.disk(), 1)}")
        before = mirror.disk()
        mirror.reprocess(1)
        cost_of(run)
        print(f"each later run with changes: {_growth(before, mirror.disk(), 1)}")


def _growth(before: tuple[int, int], after: tuple[int, int], runs: int) -> str:
    inodes, size = ((new - old) / runs for old, new in zip(before, after, strict=True))
    return f"{inodes:,.1f} inodes, {size / MB:.2f} MB of records"


# ---- works -----------------------------------------------------------------------------------


def works_of(run: list[str], config: Path, environment: Mapping[str, str]) -> Works:
    """Return the works on a mirror where nothing changed, by name."""
    jwmirror = [sys.executable, "-m", "jwmirror.cli"]
    commands = {name: [*jwmirror, name.partition(" ")[2]] for name in (CHECK, STATUS, PLAN)}
    with_config = {name: [*words, "--config", str(config)] for name, words in commands.items()}
    words = {
        VERSION: [sys.executable, "-m", "snakemake", "--version"],
        UNCHANGED: run,
        **with_config,
        HELP: [*jwmirror, "--help"],
    }
    return {name: lambda w=w: cost_of(w, environment) for name, w in words.items()}


def do_once(works: Works) -> None:
    """Do the works, so that their answers are kept."""
    for work in works.values():
        work()


def medians(works: Works, rounds: int) -> Iterator[tuple[str, Cost]]:
    """Do the works by turns; yield the median costs."""
    measured = [{name: work() for name, work in works.items()} for _ in range(rounds)]
    for name in works:
        yield name, median([each[name] for each in measured])


def median(costs: list[Cost]) -> Cost:
    """Return the medians of several costs."""
    cpu, wall, largest, together = (
        statistics.median(values) for values in zip(*map(astuple, costs), strict=True)
    )
    return Cost(cpu_s=cpu, wall_s=wall, largest_mb=largest, together_mb=together)
