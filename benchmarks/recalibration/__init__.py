"""Recalibration beside plain jwst: speed, equality, and what a new context touches.

`python -m benchmarks recalibration [--quick] [--only small ramps full equal contexts memory]`

Figures are ratios of CPU seconds measured side by side; for planning, seconds.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.recalibration.claims import Claim
from benchmarks.recalibration.deliveries import new_context
from benchmarks.recalibration.peaks import estimates
from benchmarks.recalibration.stages import changed_ramp_fit, equality, many_small
from tests.observatory.inputs import full_exposure, small_exposures


def small(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """Small exposures through stages 1 and 2 beside one `strun` each."""
    yield from many_small(folder, small_exposures(folder, 4 if is_quick else 16))


def ramps(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """A changed ramp_fit of small exposures whose ramps were kept."""
    yield from changed_ramp_fit(folder, small_exposures(folder, 2 if is_quick else 8))


def full(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """One full frame: in all, and from its kept ramp."""
    yield from changed_ramp_fit(folder, full_exposure(folder, groups=4 if is_quick else 10))


def equal(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """Equality of arrays, through three stages."""
    yield from equality(folder, small_exposures(folder, 2 if is_quick else 4))


def contexts(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """What a new context touches, beside what CRDS says."""
    yield from new_context(folder, 10_000, 200 if is_quick else 2_000)


def memory(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """Memory, as it was estimated and as it was."""
    yield from estimates(folder, is_quick)


PARTS: dict[str, Callable[[Path, bool], Iterator[Claim]]] = {
    each.__name__: each for each in (small, ramps, full, equal, contexts, memory)
}


def main() -> str | None:
    """Measure what is asked for; words if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks recalibration")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller exposures")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args()
    missed = []
    for name in asked.only:
        with tempfile.TemporaryDirectory(prefix=f"recalibration-{name}-") as folder:
            for claim in PARTS[name](Path(folder), asked.quick):
                print(f"{name}: {claim}", flush=True)
                missed += [] if claim.holds else [name]
    return f"not as good as claimed: {', '.join(missed)}" if missed else None
