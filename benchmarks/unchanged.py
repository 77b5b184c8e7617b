"""CPU time of runs and commands on a mirror where nothing changed.

`python -m benchmarks unchanged [--rounds N]` runs `snakemake`, `jwmirror check`, `jwmirror status`
and `jwmirror --help` on the small mirror in tests/fixtures (44 files, two recipes), by turns with
`snakemake --version`, which is the least that a run can take. Measure on an idle machine.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from demo.site import ROOT, Site
from tests.setup.old_mirror import run_old_mirror, served_old_mirror

VERSION, RUN, CHECK, STATUS, HELP = (  # what is measured
    *("snakemake --version", "an unchanged run", "jwmirror check", "jwmirror status"),
    "jwmirror --help",
)
ADDED_S = 4.0  # CPU seconds that a run may take beside `snakemake --version`
LIMITS_S = {CHECK: 1.5, STATUS: 1.5, HELP: 0.3}  # CPU seconds


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds of all processes that `work` starts, and its wall seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def works_on(site: Site) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    python = [sys.executable, "-m"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(site.folder), str(ROOT)))}

    def call(*words: str) -> None:
        subprocess.run(
            [*python, *words], env=environment, check=True, stdout=subprocess.DEVNULL, cwd=ROOT
        )

    config = ("--config", str(site.config_file))
    return {
        VERSION: lambda: call("snakemake", "--version"),
        RUN: lambda: run_old_mirror(site),
        CHECK: lambda: call("jwmirror.cli", "check", *config),
        STATUS: lambda: call("jwmirror.cli", "status", *config),
        HELP: lambda: call("jwmirror.cli", "--help"),
    }


def main() -> str | None:
    """Print the figures; return a message if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks unchanged", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the medians of")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, served_old_mirror(Path(folder)) as site:
        works = works_on(site)
        run_old_mirror(site)  # an upgrade: all rules run, and the description of inputs may change
        for work in works.values():  # keeps the answers
            work()
        measured = [{name: measure(work) for name, work in works.items()} for _ in range(rounds)]
        assert site.run().confirmed, "the runs did not end early"
    missed = []
    cpu = {name: statistics.median(each[name][0] for each in measured) for name in works}
    for name, seconds in cpu.items():
        limit = LIMITS_S.get(name, cpu[VERSION] + ADDED_S)
        wall = statistics.median(each[name][1] for each in measured)
        goal = "" if name == VERSION else f" (goal: <= {limit:.1f})"
        print(f"{name}: {seconds:.2f} s CPU{goal}, {wall:.1f} s wall")
        if name != VERSION and seconds > limit:
            missed.append(f"{name} {seconds:.2f} s, goal {limit:.1f}")
    return "; ".join(missed) or None
