"""Take the exposures of a program: write uncal files and tables of the true stars."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.table import Table
from astropy.time import Time
from stdatamodels.jwst import datamodels

from jwmirror_simulator.telescope.detectors import random_numbers
from jwmirror_simulator.telescope.headers import fill_header
from jwmirror_simulator.telescope.program import Exposure, Observation, Program, exposures_of
from jwmirror_simulator.telescope.ramps import light_of, rate_of, read_ramps
from jwmirror_simulator.telescope.sky import Pointing, Stars, pointing_of, stars_of

POINTING_ERROR = 0.040  # arcsec, of every dither but the first; in no known direction


class Level1bModel(datamodels.Level1bModel):
    """An uncal exposure that keeps its DATE when saved, so that equal data give equal bytes."""

    def on_save(self, path: str | None = None) -> None:
        """Save without setting the date."""
        made_at = self.meta.date
        super().on_save(path)
        self.meta.date = made_at


def take_exposures(program: Program, into: Path) -> tuple[Exposure, ...]:
    """Write every exposure of a program into a folder, and its truth tables into `truth/`.

    CRDS is not needed: the properties of the detectors are known.
    """
    exposures = exposures_of(program)
    for exposure in exposures:
        take_exposure(program, exposure, into)
    for observation in program.observations:
        write_truth(program, observation, into)
    return exposures


def take_exposure(program: Program, exposure: Exposure, into: Path) -> Path:
    """Write one exposure of a program; equal arguments give equal bytes."""
    observation = _observation_of(program, exposure)
    nominal = pointing_of(observation)
    stars = stars_of(observation)
    with Level1bModel(_expose(nominal, stars, exposure)) as model:
        fill_header(model.meta, program, exposure, nominal)
        model.meta.date = _a_day_after(exposure.end)
        model.int_times = _times_of(model, exposure)
        into.mkdir(parents=True, exist_ok=True)
        model.save(into / exposure.filename)
    return into / exposure.filename


def retake_exposure(program: Program, exposure: Exposure, into: Path, seed: int) -> Exposure:
    """Write an exposure again with other noise: same name, header and size, other bytes."""
    again = replace(exposure, seed=seed)
    take_exposure(program, again, into)
    return again


def write_truth(program: Program, observation: Observation, into: Path) -> None:
    """Write one truth table for each filter of an observation."""
    stars = stars_of(observation)
    for sequence in observation.sequences:
        path = truth_path(into, program.number, observation.number, sequence.filter)
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = (stars.ra, stars.dec, stars.flux_in(sequence.filter))
        table = Table([column[stars.seen] for column in columns], names=["ra", "dec", "flux_jy"])
        table.write(path, overwrite=True)


def truth_path(into: Path, program: int, observation: int, filter_name: str) -> Path:
    """Return the path of a truth table (ra, dec in degrees; flux_jy):

    `<into>/truth/jw01345-o001-f200w.ecsv`.
    """
    return into / "truth" / f"jw{program:05d}-o{observation:03d}-{filter_name.lower()}.ecsv"


def true_pointing(nominal: Pointing, exposure: Exposure) -> Pointing:
    """Return the true pointing: it differs from the header, except for the first dither.

    The error depends on the exposure only: it is the same when taken again with other noise.
    """
    length = POINTING_ERROR if exposure.dither > 1 else 0.0
    direction = random_numbers("pointing", exposure.root).uniform(0, 2 * math.pi)
    east, north = length * math.cos(direction), length * math.sin(direction)
    return replace(
        nominal,
        ra=exposure.ra + east / 3600 / math.cos(math.radians(exposure.dec)),
        dec=exposure.dec + north / 3600,
    )


def _observation_of(program: Program, exposure: Exposure) -> Observation:
    return next(each for each in program.observations if each.number == exposure.observation)


def _expose(nominal: Pointing, stars: Stars, exposure: Exposure) -> np.ndarray:
    """Return the raw ramps of an exposure."""
    x, y = true_pointing(nominal, exposure).to_pixels(stars.ra, stars.dec)
    rates = rate_of(stars.flux_in(exposure.filter), exposure.filter)
    return read_ramps(
        random_numbers("noise", exposure.root, exposure.seed),
        light_of(nominal.subarray.size, x, y, rates),
        detector=nominal.detector,
        subarray=nominal.subarray,
        filter_name=exposure.filter,
        groups=exposure.groups,
        integrations=exposure.integrations,
    )


def _times_of(model: Level1bModel, exposure: Exposure) -> np.ndarray:
    """Return the INT_TIMES table: start, middle and end of each integration."""
    table = np.zeros(exposure.integrations, dtype=model.get_dtype("int_times"))
    length = exposure.exposure_time / exposure.integrations / 86400  # days
    begin = Time(exposure.start).mjd + length * np.arange(exposure.integrations)
    table["integration_number"] = np.arange(1, exposure.integrations + 1)
    for when, part in (("start", 0.0), ("mid", 0.5), ("end", 1.0)):
        table[f"int_{when}_MJD_UTC"] = begin + part * length
        table[f"int_{when}_BJD_TDB"] = begin + part * length + 0.001
    return table


def _a_day_after(moment: str) -> str:
    """Return the time a day later: when the file was made."""
    return (datetime.fromisoformat(moment) + timedelta(days=1)).isoformat(timespec="milliseconds")
