"""Write the uncal file of an exposure in any mode: ramps, header and integration times."""

from pathlib import Path

import numpy as np
from astropy.time import Time

from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.modes.headers import fill_header
from jwmirror_simulator.modes.instruments.cameras import bias_of, flat_of
from jwmirror_simulator.telescope.detectors import random_numbers
from jwmirror_simulator.telescope.exposures import Level1bModel

HIT = (500.0, 8000.0)  # DN, least and most of a cosmic ray


def write_exposure(exposure: ModeExposure, light: np.ndarray, into: Path) -> Path:
    """Write the uncal file of an exposure; equal arguments give equal bytes.

    `light` is DN/s in each pixel: (rows, columns), or (integrations, rows, columns).
    """
    into.mkdir(parents=True, exist_ok=True)
    with Level1bModel(make_ramps(exposure, light)) as model:
        fill_header(model, exposure)
        model.int_times = _times(model, exposure)
        model.save(into / exposure.filename)
    return into / exposure.filename


def make_ramps(exposure: ModeExposure, light: np.ndarray) -> np.ndarray:
    """Return raw DN (integrations, groups, rows, columns), uint16, with photon and read noise."""
    camera, window = exposure.camera, exposure.window
    dice = random_numbers("noise", exposure.root)
    response = flat_of(camera, window, exposure.filter) * window.frame_time * camera.gain
    bias = bias_of(camera, window)
    read = np.empty((exposure.integrations, exposure.groups, *window.shape), "u2")
    for number, ramp in enumerate(read):
        falls = (light if light.ndim == 2 else light[number]) * response
        charge = np.cumsum(dice.poisson(falls, ramp.shape), axis=0) / camera.gain
        _strike(dice, charge, exposure.hits)
        charge += bias + dice.normal(0, camera.read_noise, ramp.shape)
        ramp[:] = np.clip(np.round(charge), 0, 65535)
    return read


def _strike(dice: np.random.Generator, charge: np.ndarray, hits: float) -> None:
    """Add cosmic rays to a ramp (groups, rows, columns)."""
    groups, rows, columns = charge.shape
    for _ in range(dice.poisson(hits * rows * columns)):
        since, row, column = dice.integers(1, groups), dice.integers(rows), dice.integers(columns)
        charge[since:, row, column : column + dice.integers(1, 4)] += dice.uniform(*HIT)


def _times(model: Level1bModel, exposure: ModeExposure) -> np.ndarray:
    """Return the INT_TIMES table: start, middle and end of each integration of this file."""
    numbers = exposure.first + np.arange(exposure.integrations)
    table = np.zeros(exposure.integrations, dtype=model.get_dtype("int_times"))
    table["integration_number"] = numbers
    length = exposure.integration_time / 86400  # days
    begin = Time(exposure.begin).mjd + length * (numbers - 1)
    for when, part in (("start", 0.0), ("mid", 0.5), ("end", 1.0)):
        table[f"int_{when}_MJD_UTC"] = begin + part * length
        table[f"int_{when}_BJD_TDB"] = begin + part * length + 0.001
    return table
