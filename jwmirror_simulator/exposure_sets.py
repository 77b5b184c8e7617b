"""Exposures for measurements of speed, each set with the references that it needs."""

from dataclasses import dataclass
from pathlib import Path

from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import Field, Observation, Program, Sequence, exposures_of

DETECTOR, FILTER = "NRCB1", "F200W"


@dataclass(frozen=True, kw_only=True)
class ExposureSet:
    """Raw exposures of NIRCam imaging, and a CRDS context to calibrate them."""

    program: Program
    uncals: tuple[Path, ...]
    crds_root: Path  # serves as CRDS_PATH
    context: str  # its pmap


def small_exposures(folder: Path, count: int) -> ExposureSet:
    """Make `count` dithers of 160 x 160 pixels and 5 groups: start-up dominates their time."""
    return _inputs(folder, "SUB160", count, groups=5, stars=60)


def full_exposure(folder: Path, groups: int = 10, dark_groups: int = 0) -> ExposureSet:
    """Make one exposure of 2048 x 2048 pixels: computing dominates its time.

    Takes 10 s and 2 GB for 10 groups, and 34 MB for each group of a dark.
    """
    return _inputs(folder, "FULL", 1, groups=groups, stars=400, dark_groups=dark_groups)


def sized_exposures(
    folder: Path,
    subarray: str,
    groups: int,
    integrations: int,
    count: int = 1,
    dark_groups: int = 0,
) -> ExposureSet:
    """Make exposures of any size, for measurements of memory."""
    stars = 400 if subarray == "FULL" else 60
    return _inputs(folder, subarray, count, groups, stars, integrations, dark_groups)


def _inputs(
    folder: Path,
    subarray: str,
    count: int,
    groups: int,
    stars: int,
    integrations: int = 1,
    dark_groups: int = 0,
) -> ExposureSet:
    """Write the exposures to `<folder>/raw` and the references to `<folder>/crds`."""
    observation = Observation(
        number=1,
        field=Field(target="CROWD-1", ra=80.0, dec=-69.5, stars=stars),
        detector=DETECTOR,
        subarray=subarray,
        sequences=(Sequence(filter=FILTER, dithers=count, group="02"),),
        groups=groups,
        integrations=integrations,
    )
    program = Program(number=1345, observations=(observation,))
    context = build_context(
        folder / "crds",
        detectors=(DETECTOR,),
        subarrays=(subarray,),
        filters=(FILTER,),
        fgs=False,
        large_darks=dark_groups,
    )
    uncals = tuple(
        take_exposure(program, exposure, folder / "raw") for exposure in exposures_of(program)
    )
    return ExposureSet(program=program, uncals=uncals, crds_root=folder / "crds", context=context)
