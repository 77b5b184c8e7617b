"""CPU time to plan 5,000 raw exposures and their mosaics, all of them new.

`python -m benchmarks plan [--exposures N]` takes the small mirror in tests/fixtures, syncs its
references in a run, and repeats its exposures and associations under the names of other programs.
Then it plans all levels as the first plan of a run does: parameters and references are resolved by
jwst and CRDS, seconds and memory are estimated, and chains are cut into jobs. The plan is encoded,
too. The import of jwst, which each process needs once, is shown beside it.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from jwmirror.core.jsonio import encoded
from jwmirror.core.model import Entry, Recipe
from jwmirror.core.model.association import Association
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.services.inspect.preview import current_holdings, resolvers_of_config
from jwmirror.services.run.holdings import Holdings
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.results import ResultStore, stage_times
from jwmirror.store.runs import last_run
from tests.setup.old_mirror import run_old_mirror, served_old_mirror

LIMIT_S = 10.0
OWN = "jw01345"  # the program of the small mirror
FIRST = 10000  # number of the first program that repeats it


def repeated(holdings: Holdings, times: int) -> Holdings:
    """Return the files and associations of the program, under the names of others."""
    programs = range(FIRST, FIRST + times)
    found = holdings.associations.found
    return Holdings(
        entries=tuple(each for number in programs for each in _entries(holdings.entries, number)),
        associations=replace(
            holdings.associations,
            found=tuple(_association(each, number) for number in programs for each in found),
        ),
    )


def _entries(entries: tuple[Entry, ...], number: int) -> Iterator[Entry]:
    for entry in entries:
        if product := entry.product:
            names = {"filename": product.filename, "uri": product.uri}
            renamed = {key: _renamed(name, number) for key, name in names.items()}
            yield replace(
                entry,
                path=_renamed(entry.path, number),
                product=structs.replace(product, program=number, **renamed),
                header=_renamed(entry.header, number),
                identity=entry.identity and f"{entry.identity[:-5]}{number}",
                sha256=f"{entry.sha256[:-5]}{number}",
            )


def _association(association: Association, number: int) -> Association:
    members = tuple(
        replace(member, name=_renamed(member.name, number)) for member in association.members
    )
    return replace(
        association,
        name=_renamed(association.name, number),
        product=_renamed(association.product, number),
        program=number,
        members=members,
    )


def _renamed(text: str, number: int) -> str:
    return text.replace(OWN, f"jw{number}")


def plan(folder: Path, mirror: Path, config_file: Path, exposures: int) -> float:
    """Plan, print what was planned, and return the CPU seconds."""
    os.chdir(folder)
    config = load_checked_config(config_file)
    holdings = current_holdings(mirror, last_run(mirror), config.recipes)
    raw = sum(entry.filename.endswith("_uncal.fits") for entry in holdings.entries)
    times = -(-exposures // raw)
    programs = tuple(range(FIRST, FIRST + times))
    recipe: Recipe = replace(config.recipes[0], programs=programs, exclude=())
    many, resolvers = repeated(holdings, times), resolvers_of_config(mirror, config)[0]

    started = time.process_time()
    results, known = ResultStore(mirror), stage_times(mirror)
    planner = LevelPlanner(many, [recipe], resolvers, results, config.jobs, known)
    plans = planner.plan_levels()
    later = planner.plan_levels(below=plans, is_preview=True)
    size = len(encoded(plans[0]))
    seconds = time.process_time() - started
    chains, jobs = len(plans[0].chains), sum(len(p.batches) for p in (*plans, *later))
    mosaics = sum(len(p.chains) for p in later)
    print(f"{chains:,} exposures and {mosaics:,} associations in {jobs} jobs: {seconds:.1f} s CPU")
    print(f"the plan of the exposures: {size / 1e6:.0f} MB")
    return seconds


def main() -> str | None:
    """Print the figures; return a message if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks plan", description=__doc__)
    parser.add_argument("--exposures", type=int, default=5000)
    exposures = parser.parse_args().exposures
    with tempfile.TemporaryDirectory() as folder, served_old_mirror(Path(folder)) as site:
        run_old_mirror(site)  # syncs the references
        sys.path.insert(0, str(site.folder))  # with the user's function
        started = time.process_time()
        import jwst.pipeline  # noqa: F401 - to measure it

        print(f"import of jwst: {time.process_time() - started:.1f} s CPU")
        seconds = plan(site.folder, site.mirror, site.config_file, exposures)
        os.chdir("/")
    limit = LIMIT_S * exposures / 5000
    return None if seconds <= limit else f"{seconds:.1f} s for {exposures:,}, goal {limit:.0f} s"
