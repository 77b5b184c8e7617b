"""What a program asks the telescope to do, and the exposures that follow from it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

EXPOSURE_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Field:
    """A patch of sky: where it is, how many stars fall on the detector, and which ones (seed)."""

    target: str
    ra: float  # degrees
    dec: float  # degrees
    position_angle: float = 30.0  # degrees, of V3 from north to east
    stars: int = 60
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """One filter of an observation, exposed at a number of dither positions."""

    filter: str
    dithers: int
    group: str  # visit group: 02, 04...


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one detector does on one field."""

    number: int
    field: Field
    detector: str
    subarray: str
    sequences: tuple[Sequence, ...]
    groups: int = 5
    integrations: int = 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """A JWST program: its observations, in order."""

    number: int
    observations: tuple[Observation, ...]
    title: str = "Stars of known place and flux"
    pi_name: str = "Leavitt, Henrietta"
    start: str = "2025-11-20T00:00:00"  # UTC, of the first exposure


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One uncal exposure: its file name and what MAST would list of it."""

    filename: str  # jw01345001001_02101_00001_nrcb1_uncal.fits
    program: int
    observation: int
    visit: int
    group: str  # visit group, sequence and activity: 02101
    dither: int  # from 1
    dithers: int  # of its sequence
    detector: str
    module: str  # A, B
    channel: str  # SHORT, LONG
    filter: str
    subarray: str
    start: str  # ISO, UTC
    end: str  # ISO, UTC
    exposure_time: float  # seconds
    groups: int
    integrations: int
    ra: float  # degrees, where the telescope thinks that it points
    dec: float  # degrees
    target: str
    instrument: str = "NIRCAM"
    pupil: str = "CLEAR"
    exp_type: str = "NRC_IMAGE"
    seed: int = 0  # of the noise, the cosmic rays and the pointing error

    @property
    def root(self) -> str:
        """The file name without its suffix: jw01345001001_02101_00001_nrcb1."""
        return self.filename.removesuffix("_uncal.fits")


def demo_program() -> Program:
    """Program 1345 of the demo: 10 exposures of two fields."""
    raise NotImplementedError


def exposures_of(program: Program) -> tuple[Exposure, ...]:
    """Every exposure of a program, in the order of their file names; nothing is written."""
    raise NotImplementedError


def with_one_more_dither(program: Program, observation: int, filter_name: str) -> Program:
    """The program with one more dither in one sequence; its earlier exposures stay as they are."""
    raise NotImplementedError
