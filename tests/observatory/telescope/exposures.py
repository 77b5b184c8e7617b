"""Take the exposures of a program: uncal files as MAST names them, and the truth beside them."""

from pathlib import Path

from tests.observatory.telescope.program import Exposure, Program


def take_exposures(program: Program, into: Path) -> tuple[Exposure, ...]:
    """Write every exposure of a program into a folder, and its truth tables into `truth/`.

    Needs no CRDS: the detectors' nature is known, and the reference context is made from it.
    """
    raise NotImplementedError


def take(program: Program, exposure: Exposure, into: Path) -> Path:
    """Write one exposure of a program; equal arguments give equal bytes."""
    raise NotImplementedError


def retake(program: Program, exposure: Exposure, into: Path, seed: int) -> Exposure:
    """Write an exposure again with other noise: same name, header and size, other bytes."""
    raise NotImplementedError


def truth_path(into: Path, program: int, observation: int, filter_name: str) -> Path:
    """Where the truth (ra, dec in degrees; flux_jy) of an observation and filter lies:
    `<into>/truth/jw01345-o001-f200w.ecsv`.
    """
    raise NotImplementedError
