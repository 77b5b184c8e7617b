"""Simulated programs in every mode: raw exposures, and the tables that MAST has of them.

The number of a program decides its noise, its cosmic rays and its pointing errors.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror_simulator.crds import context as imaging_context
from jwmirror_simulator.modes import context as modes_context
from jwmirror_simulator.modes.mode import Mode, expose
from jwmirror_simulator.modes.pool import pool_text
from jwmirror_simulator.modes.program import MODES
from jwmirror_simulator.operations.associations import associations_of, pool_name
from jwmirror_simulator.telescope import program as telescope
from jwmirror_simulator.telescope.exposures import take_exposure

IMAGING = "imaging"  # of NIRCam; the other modes have the names of the simulator
BY_NAME = {mode.name: mode for mode in MODES}
CONTEXTS = ((IMAGING,), tuple(BY_NAME))  # modes of which the references are in one context
FILTER, DETECTOR, SUBARRAY = "F200W", "NRCB1", "SUB160"
DITHERS, STARS = 3, 40


@dataclass(frozen=True)
class SimulatedProgram:
    """The files of one program."""

    number: int
    uncals: tuple[Path, ...]
    tables: tuple[Path, ...]  # a pool, or associations


def write_references(crds_root: Path, modes: Collection[str]) -> None:
    """Write the references of modes, in a context jwst_0001.pmap.

    Imaging with NIRCam has a context of its own: it matches references by other values.
    """
    if IMAGING in modes:
        imaging_context.build_context(
            crds_root, detectors=(DETECTOR,), subarrays=(SUBARRAY,), filters=(FILTER,), fgs=False
        )
    else:
        modes_context.build_context(crds_root, [BY_NAME[mode] for mode in modes])


def observe(mode: str, number: int, into: Path, *, absent: int = 0) -> SimulatedProgram:
    """Write a program of one observation in a mode; the last `absent` exposures are not made."""
    if mode == IMAGING:
        return _observe_field(number, into, absent)
    return _observe_mode(BY_NAME[mode], number, into, absent)


def _observe_field(number: int, into: Path, absent: int) -> SimulatedProgram:
    field = telescope.Field(target="CROWD", ra=80.0, dec=-69.5, stars=STARS, seed=number)
    observation = telescope.Observation(
        number=1,
        field=field,
        detector=DETECTOR,
        subarray=SUBARRAY,
        sequences=(telescope.Sequence(filter=FILTER, dithers=DITHERS, group="02"),),
    )
    program = telescope.Program(number=number, observations=(observation,))
    exposures = telescope.exposures_of(program)[: DITHERS - absent]
    uncals = tuple(take_exposure(program, exposure, into) for exposure in exposures)
    tables = [(each.filename, each.text()) for each in associations_of(exposures)]
    return SimulatedProgram(number, uncals, _written(tables, into))


def _observe_mode(mode: Mode, number: int, into: Path, absent: int) -> SimulatedProgram:
    exposures = tuple(replace(exposure, program=number) for exposure in mode.exposures)
    exposures = exposures[: len(exposures) - absent]
    uncals = expose(replace(mode, exposures=exposures), into)
    tables = [(pool_name(number), pool_text(exposures))]
    return SimulatedProgram(number, tuple(uncals), _written(tables, into))


def _written(tables: Sequence[tuple[str, str]], into: Path) -> tuple[Path, ...]:
    for name, text in tables:
        (into / name).write_text(text)
    return tuple(into / name for name, _ in tables)
