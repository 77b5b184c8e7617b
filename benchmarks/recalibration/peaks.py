"""Measured memory peaks compared with their estimates, stage by stage."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.recalibration.claims import Claim
from benchmarks.recalibration.place import chains_of, open_place
from benchmarks.recalibration.stages import PLAIN, offline
from jwmirror.core.model import Derivation, Plan, Receipt
from jwmirror.planning.estimates import memory
from jwmirror_simulator.exposure_sets import ExposureSet, sized_exposures

# subarray, groups, integrations, exposures, groups of the dark (0: as in other simulated contexts)
SMALL = [("SUB160", 5, 1, 2, 0), ("SUB160", 10, 40, 1, 0)]
LARGE = [
    ("FULL", 2, 1, 4, 0),
    ("FULL", 5, 1, 1, 0),
    ("FULL", 10, 1, 1, 0),
    ("FULL", 5, 3, 1, 0),
    ("FULL", 2, 1, 1, 100),  # a dark as large as flight's: 1.7 GB
]


def estimates(folder: Path, is_quick: bool) -> Iterator[Claim]:
    """Measure how far peaks exceed their estimates."""
    for subarray, groups, integrations, count, dark in SMALL if is_quick else SMALL + LARGE:
        size = f"{subarray} x {groups} groups x {integrations} integrations"
        size += f", dark of {dark} groups" if dark else ""
        place = folder / size.replace(" ", "")
        inputs = sized_exposures(place, subarray, groups, integrations, count, dark)
        for pipeline, (peak, estimate) in _peaks(place, inputs, count).items():
            yield Claim(
                what=f"{size}, {count} exposures, {pipeline}: peak {peak / 1e6:.0f} MB, "
                f"estimate {estimate / 1e6:.0f} MB",
                found=peak / estimate,
                goal=1.1,
            )


def _peaks(folder: Path, inputs: ExposureSet, count: int) -> dict[str, tuple[int, int]]:
    """Return the highest peak of each pipeline and its estimate (bytes)."""
    offline(inputs)
    place = open_place(folder / "ours", inputs)
    recipe = replace(PLAIN, stages=(1, 2, 3) if count > 1 else (1, 2), keep=("ramp",))
    header = next(each.header for each in place.holdings.entries if each.header)
    plans: list[Plan] = []
    receipts: list[Receipt] = []
    found: dict[str, tuple[int, int]] = {}
    for _ in range(3 if count > 1 else 1):
        plans.append(place.plan(recipe, plans, receipts))
        receipts.append(place.calibrate(chains_of(plans[-1])))
        spent = {(each.pipeline, each.product): each.peak_memory for each in receipts[-1].spent}
        for chain in chains_of(plans[-1]):
            for made in chain.derivations:
                peak, _ = found.get(made.pipeline, (0, 0))
                peak = max(peak, spent[made.pipeline, made.product])
                largest = max(_sizes(inputs, made), default=0)
                found[made.pipeline] = (peak, memory.stage_bytes(made, header, largest))
    return found


def _sizes(inputs: ExposureSet, made: Derivation) -> Iterator[int]:
    """Yield the bytes of each reference file of a derivation."""
    for name, _ in made.references.values():
        yield from (
            path.stat().st_size for path in inputs.crds_root.glob(f"references/jwst/*/{name}")
        )
