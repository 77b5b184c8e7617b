"""Recalibration compared with plain jwst: speed, memory, equal results, effect of a new context.

`python -m benchmarks recalibration [--quick] [--only small ramps full equal contexts memory peer]`

Figures are ratios of CPU seconds of the same work; for planning, seconds. The part `peer` runs
jwstflow, which is installed in `--jwstflow FOLDER` (default: a temporary folder) with the Python
named by `--python`.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.recalibration.claims import AbsentError, Claim
from benchmarks.recalibration.deliveries import new_context
from benchmarks.recalibration.jwstflow import beside_jwstflow
from benchmarks.recalibration.peaks import estimates
from benchmarks.recalibration.stages import changed_ramp_fit, equality, many_small
from jwmirror_simulator.exposure_sets import full_exposure, small_exposures

Asked = argparse.Namespace


def small(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Measure small exposures in stages 1 and 2 against one `strun` each."""
    yield from many_small(folder, small_exposures(folder, 4 if asked.quick else 16))


def ramps(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Measure a changed ramp_fit of small exposures with kept ramps: models cost most."""
    yield from changed_ramp_fit(folder, small_exposures(folder, 2 if asked.quick else 8), goal=1)


def full(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Measure one full frame with a dark as long as NIRCam's: in full, and from its kept ramp."""
    groups, dark_groups = (4, 4) if asked.quick else (10, 100)
    inputs = full_exposure(folder, groups, dark_groups=dark_groups)
    yield from changed_ramp_fit(folder, inputs, goal=0.2)


def equal(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Check that arrays are equal after three stages."""
    yield from equality(folder, small_exposures(folder, 2 if asked.quick else 4))


def contexts(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Compare the exposures that a new context affects with CRDS's own answer."""
    yield from new_context(folder, 10_000, 200 if asked.quick else 2_000)


def memory(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Compare estimated and measured memory."""
    yield from estimates(folder, asked.quick)


def peer(folder: Path, asked: Asked) -> Iterator[Claim]:
    """Measure small exposures in stages 1 and 2 against jwstflow."""
    inputs = small_exposures(folder, 4 if asked.quick else 16)
    yield from beside_jwstflow(folder, inputs, asked.jwstflow, asked.python)


PARTS: dict[str, Callable[[Path, Asked], Iterator[Claim]]] = {
    each.__name__: each for each in (small, ramps, full, equal, contexts, memory, peer)
}


def main() -> str | None:
    """Run the chosen measurements; return a message if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks recalibration")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller exposures")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jwstflow", default="", help="folder of an environment with jwstflow")
    parser.add_argument("--python", default="", help="a Python to install jwstflow with")
    asked = parser.parse_args()
    missed = []
    for name in asked.only:
        with tempfile.TemporaryDirectory(prefix=f"recalibration-{name}-") as folder:
            try:
                for claim in PARTS[name](Path(folder), asked):
                    print(f"{name}: {claim}", flush=True)
                    missed += [] if claim.holds else [name]
            except AbsentError as why:
                print(f"{name}: skipped: {why}", flush=True)
    return f"not as good as claimed: {', '.join(missed)}" if missed else None
