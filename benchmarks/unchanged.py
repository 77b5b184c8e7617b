"""CPU time and wall time of a run of the whole workflow that finds nothing new.

`python -m benchmarks unchanged [--rounds N]` runs `snakemake` on the small mirror in tests/fixtures
(44 files, two recipes). The time is compared with that of importing jwst in one process, because an
unchanged run imports it in a few processes and does little else.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.setup.old_mirror import run_old_mirror, served_old_mirror

LIMIT = 12.0  # times the import of jwst's pipelines


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds of all processes that `work` starts, and its wall seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def import_jwst() -> None:
    """Import the pipelines of jwst in a process."""
    subprocess.run([sys.executable, "-c", "import jwst.pipeline"], check=True)


def main() -> str | None:
    """Print the figures; return a message if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks unchanged", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs to take the median of")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, served_old_mirror(Path(folder)) as site:
        run_old_mirror(site)  # writes what later runs find
        runs = [measure(lambda: run_old_mirror(site)) for _ in range(rounds)]
        imports = [measure(import_jwst) for _ in range(rounds)]
        assert site.tally().computed == {}
    cpu, wall = (statistics.median(values) for values in zip(*runs, strict=True))
    ratio = cpu / statistics.median(cpu for cpu, _ in imports)
    print(f"an unchanged run: {cpu:.1f} s CPU, {wall:.1f} s wall")
    print(f"compared with importing jwst in one process: {ratio:.1f} (goal: <= {LIMIT:.0f})")
    return None if ratio <= LIMIT else f"{ratio:.1f} times the import of jwst, goal {LIMIT:.0f}"
