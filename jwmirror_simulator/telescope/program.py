"""Programs: observations of fields, and the exposures that follow from them."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jwmirror_simulator.telescope.detectors import DETECTORS, PIXEL_SCALE, SUBARRAYS, Subarray

EXPOSURE_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of stars: position, number of stars in the first dither, and random seed."""

    target: str
    ra: float  # degrees
    dec: float  # degrees
    position_angle: float = 30.0  # degrees, of V3 from north to east
    stars: int = 60
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Exposures through one filter at a number of dither positions."""

    filter: str
    dithers: int
    group: str  # visit group: 02, 04...
    planned: int = 0  # points of the dither pattern, by the headers; 0: as many as dithers


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Exposures of one field with one detector."""

    number: int
    field: Field
    detector: str
    subarray: str
    sequences: tuple[Sequence, ...]
    groups: int = 5
    integrations: int = 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """A JWST program and its observations, in order."""

    number: int
    observations: tuple[Observation, ...]
    title: str = "Stars of known place and flux"
    pi_name: str = "Leavitt, Henrietta"
    start: str = "2025-11-20T00:00:00"  # UTC, of the first exposure


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One uncal exposure: its file name and the facts that MAST lists."""

    filename: str  # jw01345001001_02101_00001_nrcb1_uncal.fits
    program: int
    observation: int
    visit: int
    group: str  # visit group, sequence and activity: 02101
    dither: int  # from 1
    dithers: int  # points of the dither pattern; a program may take fewer or more
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
    seed: int = 0  # of the noise and the cosmic rays

    @property
    def root(self) -> str:
        """File name without its suffix: jw01345001001_02101_00001_nrcb1."""
        return self.filename.removesuffix("_uncal.fits")


def demo_program() -> Program:
    """Return program 1345 of the demo: 10 exposures of two fields."""
    short = Sequence(filter="F150W", dithers=3, group="04")
    first = Observation(
        number=1,
        field=Field(target="CROWD-1", ra=80.0, dec=-69.5, seed=1),
        detector="NRCB1",
        subarray="SUB160",
        sequences=(Sequence(filter="F200W", dithers=4, group="02"), short),
    )
    second = Observation(
        number=2,
        field=Field(target="CROWD-2", ra=81.2, dec=-69.1, position_angle=75.0, seed=2),
        detector="NRCA1",
        subarray="SUB160",
        sequences=(Sequence(filter="F200W", dithers=3, group="02"),),
    )
    return Program(number=1345, observations=(first, second))


def exposures_of(program: Program) -> tuple[Exposure, ...]:
    """Return the exposures of a program in the order of file names; nothing is written."""
    return tuple(
        _exposure(program, observation, sequence, dither)
        for observation in program.observations
        for sequence in observation.sequences
        for dither in range(1, sequence.dithers + 1)
    )


def with_one_more_dither(program: Program, observation: int, filter_name: str) -> Program:
    """Return the program with one more dither in one sequence; other exposures stay the same."""

    def longer(sequence: Sequence) -> Sequence:
        if sequence.filter != filter_name:
            return sequence
        planned = sequence.planned or sequence.dithers  # headers of the others do not change
        return replace(sequence, dithers=sequence.dithers + 1, planned=planned)

    observations = tuple(
        replace(each, sequences=tuple(map(longer, each.sequences)))
        if each.number == observation
        else each
        for each in program.observations
    )
    if observations == program.observations:
        raise ValueError(f"program {program.number}: no {filter_name} in observation {observation}")
    return replace(program, observations=observations)


def _exposure(
    program: Program, observation: Observation, sequence: Sequence, dither: int
) -> Exposure:
    """Return one exposure with its name, time and planned pointing."""
    detector, subarray = DETECTORS[observation.detector], SUBARRAYS[observation.subarray]
    group = f"{sequence.group}101"
    visit = f"jw{program.number:05d}{observation.number:03d}001"
    seconds = subarray.frame_time * observation.groups * observation.integrations
    start = _start_of(program, observation, sequence, dither)
    east, north = dither_offset(subarray, dither)
    field = observation.field
    return Exposure(
        filename=f"{visit}_{group}_{dither:05d}_{detector.name.lower()}_uncal.fits",
        program=program.number,
        observation=observation.number,
        visit=1,
        group=group,
        dither=dither,
        dithers=sequence.planned or sequence.dithers,
        detector=detector.name,
        module=detector.module,
        channel=detector.channel,
        filter=sequence.filter,
        subarray=subarray.name,
        start=start.isoformat(timespec="milliseconds"),
        end=(start + timedelta(seconds=seconds)).isoformat(timespec="milliseconds"),
        exposure_time=seconds,
        groups=observation.groups,
        integrations=observation.integrations,
        ra=field.ra + east / 3600 / math.cos(math.radians(field.dec)),
        dec=field.dec + north / 3600,
        target=field.target,
    )


def dither_offset(subarray: Subarray, dither: int) -> tuple[float, float]:
    """Return the offset east and north in arcsec: 0 for the first dither."""
    step = 0.06 * subarray.size * PIXEL_SCALE if dither > 1 else 0.0
    return step * math.cos(2.4 * dither), step * math.sin(2.4 * dither)


def _start_of(
    program: Program, observation: Observation, sequence: Sequence, dither: int
) -> datetime:
    """Return the start of an exposure: one day per observation, one hour per visit group."""
    days, hours = observation.number - 1, int(sequence.group)
    group_start = datetime.fromisoformat(program.start) + timedelta(days=days, hours=hours)
    return group_start + (dither - 1) * EXPOSURE_EVERY
