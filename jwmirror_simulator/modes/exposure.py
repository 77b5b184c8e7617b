"""One exposure of any mode: what it is, and the uncal file that it leaves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.time import Time

from jwmirror_simulator.modes.headers import fill_header
from jwmirror_simulator.modes.instruments.cameras import Camera, Window, bias_of, flat_of
from jwmirror_simulator.telescope.detectors import chance
from jwmirror_simulator.telescope.exposures import Level1bModel

HIT = (500.0, 8000.0)  # DN, least and most of a cosmic ray


@dataclass(frozen=True, kw_only=True)
class Shot:
    """An exposure, or one segment of a long one."""

    program: int
    observation: int
    number: int  # of the exposure in its visit
    camera: Camera
    window: Window
    exp_type: str
    filter: str
    pupil: str = ""
    target: str
    template: str
    ra: float  # degrees, of what the camera's middle looks at
    dec: float  # degrees
    roll: float = 0.0  # degrees, of V3 from north to east
    groups: int = 5
    integrations: int = 1  # in this file
    first: int = 1  # of its integrations in the whole exposure
    whole: int = 0  # integrations of the whole exposure; 0 if it is in one file
    segment: int = 0  # 0 if the exposure is in one file
    start: str = "2025-11-20T00:00:00"  # UTC, of the whole exposure
    hits: float = 0.0  # cosmic rays per pixel and ramp
    cards: tuple[tuple[str, object], ...] = ()  # (visit.tsovisit, True): more of the header
    cells: tuple[tuple[str, str], ...] = ()  # (PATT_NUM, 2): more of the pool
    candidates: tuple[tuple[str, str], ...] = ()  # (c1001, CORONAGRAPHY): besides the observation

    @property
    def visit(self) -> str:
        """01346001001."""
        return f"{self.program:05d}{self.observation:03d}001"

    @property
    def root(self) -> str:
        """The file name without its suffix: jw01346001001_02101_00001-seg001_nrcb1."""
        segment = f"-seg{self.segment:03d}" if self.segment else ""
        detector = self.camera.detector.lower()
        return f"jw{self.visit}_02101_{self.number:05d}{segment}_{detector}"

    @property
    def filename(self) -> str:
        """Its file."""
        return f"{self.root}_uncal.fits"

    @property
    def integration_time(self) -> float:
        """Seconds."""
        return self.window.frame_time * self.groups

    @property
    def begin(self) -> datetime:
        """When the whole exposure starts."""
        return datetime.fromisoformat(self.start) + timedelta(
            days=self.observation - 1, minutes=10 * (self.number - 1)
        )

    @property
    def end(self) -> datetime:
        """When the whole exposure ends."""
        seconds = self.integration_time * (self.whole or self.integrations)
        return self.begin + timedelta(seconds=seconds)


def write(shot: Shot, light: np.ndarray, into: Path) -> Path:
    """Write the uncal file of a shot; equal arguments give equal bytes.

    `light` is DN/s in each pixel: (rows, columns), or (integrations, rows, columns).
    """
    into.mkdir(parents=True, exist_ok=True)
    with Level1bModel(ramps(shot, light)) as model:
        fill_header(model, shot)
        model.int_times = _times(model, shot)
        model.save(into / shot.filename)
    return into / shot.filename


def ramps(shot: Shot, light: np.ndarray) -> np.ndarray:
    """Raw DN (integrations, groups, rows, columns), uint16, with photon and read noise."""
    camera, window = shot.camera, shot.window
    dice = chance("noise", shot.root)
    response = flat_of(camera, window, shot.filter) * window.frame_time * camera.gain
    bias = bias_of(camera, window)
    read = np.empty((shot.integrations, shot.groups, *window.shape), "u2")
    for number, ramp in enumerate(read):
        falls = (light if light.ndim == 2 else light[number]) * response
        charge = np.cumsum(dice.poisson(falls, ramp.shape), axis=0) / camera.gain
        _strike(dice, charge, shot.hits)
        charge += bias + dice.normal(0, camera.read_noise, ramp.shape)
        ramp[:] = np.clip(np.round(charge), 0, 65535)
    return read


def _strike(dice: np.random.Generator, charge: np.ndarray, hits: float) -> None:
    """Let cosmic rays fall on a ramp (groups, rows, columns)."""
    groups, rows, columns = charge.shape
    for _ in range(dice.poisson(hits * rows * columns)):
        since, row, column = dice.integers(1, groups), dice.integers(rows), dice.integers(columns)
        charge[since:, row, column : column + dice.integers(1, 4)] += dice.uniform(*HIT)


def _times(model: Level1bModel, shot: Shot) -> np.ndarray:
    """The INT_TIMES table: when each integration of this file begins, is half over, and ends."""
    numbers = shot.first + np.arange(shot.integrations)
    table = np.zeros(shot.integrations, dtype=model.get_dtype("int_times"))
    table["integration_number"] = numbers
    length = shot.integration_time / 86400  # days
    begin = Time(shot.begin).mjd + length * (numbers - 1)
    for when, part in (("start", 0.0), ("mid", 0.5), ("end", 1.0)):
        table[f"int_{when}_MJD_UTC"] = begin + part * length
        table[f"int_{when}_BJD_TDB"] = begin + part * length + 0.001
    return table
