"""The catalogue's stars: those that the telescope draws, and others around its fields."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.coordinates import angular_separation
from astropy.table import Table
from astropy.time import Time

from jwmirror_simulator.telescope.detectors import random_numbers
from jwmirror_simulator.telescope.program import Observation, Program
from jwmirror_simulator.telescope.sky import stars_of

EPOCH = 2016.0  # of the positions in the catalogue, as in Gaia DR3
SPEED = 30.0  # mas per year, of most stars in each direction
UNMOVED = 0.05  # fraction of the stars without a proper motion
AROUND = 300  # stars around each field that the telescope does not draw
NEAR, FAR = 15 / 3600, 0.1  # degrees from the middle of the field, of these
DEG_PER_MAS = 1 / 3.6e6
ZERO_POINT = 3631.0  # Jy, of magnitudes


@dataclass(frozen=True, kw_only=True)
class CatalogueStars:
    """Stars at EPOCH. Arrays of equal length; degrees, mas per year (RA times cos Dec)."""

    ra: np.ndarray
    dec: np.ndarray
    pmra: np.ndarray  # NaN of stars without a proper motion
    pmdec: np.ndarray
    mag: np.ndarray

    def at(self, epoch: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Return right ascension and declination at an epoch (decimal year; None: EPOCH)."""
        years = (EPOCH if epoch is None else epoch) - EPOCH
        return moved(self.ra, self.dec, np.nan_to_num(self.pmra), np.nan_to_num(self.pmdec), years)

    def near(self, ra: float, dec: float, radius: float) -> np.ndarray:
        """Return which stars are within a cone (degrees) at EPOCH."""
        return distance(self.ra, self.dec, ra, dec) <= radius

    def shifted(self, which: np.ndarray, east: float, north: float) -> "CatalogueStars":
        """Return the catalogue with some stars moved by arcsec."""
        ra = self.ra + which * east / 3600 / np.cos(np.radians(self.dec))
        return replace(self, ra=ra, dec=self.dec + which * north / 3600)


def moved(
    ra: np.ndarray, dec: np.ndarray, pmra: np.ndarray, pmdec: np.ndarray, years: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (degrees) some years later."""
    north = dec + pmdec * years * DEG_PER_MAS
    return ra + pmra * years * DEG_PER_MAS / np.cos(np.radians(dec)), north


def distance(ra: np.ndarray, dec: np.ndarray, to_ra: float, to_dec: float) -> np.ndarray:
    """Return the degrees from positions to a position."""
    here, there = np.radians([ra, dec]), np.radians([to_ra, to_dec])
    return np.degrees(angular_separation(*here, *there))


def stars_of_program(program: Program) -> CatalogueStars:
    """Return the stars of all fields of a program, so that each is where it was drawn on its day.

    A field that was observed several times has its stars where they were drawn first.
    """
    by_field = {o.field: o for o in reversed(program.observations)}
    return joined(_stars_of_field(program, each) for each in reversed(by_field.values()))


def stars_of_truth(path: Path) -> CatalogueStars:
    """Return the stars of a truth table (ra, dec, flux_jy), which do not move."""
    table = Table.read(path)
    ra, dec, flux = (np.array(table[name]) for name in ("ra", "dec", "flux_jy"))
    still, mag = np.zeros(len(ra)), -2.5 * np.log10(flux / ZERO_POINT)
    return CatalogueStars(ra=ra, dec=dec, pmra=still, pmdec=still, mag=mag)


def joined(parts: Iterable[CatalogueStars]) -> CatalogueStars:
    """Return the stars of several catalogues."""
    names, parts = [field.name for field in fields(CatalogueStars)], list(parts)
    columns = {name: [np.empty(0), *(getattr(part, name) for part in parts)] for name in names}
    return CatalogueStars(**{name: np.concatenate(values) for name, values in columns.items()})


def epoch_of(program: Program, observation: Observation) -> float:
    """Return the decimal year of the day of an observation's first exposure."""
    day = datetime.fromisoformat(program.start) + timedelta(days=observation.number - 1)
    return float(Time(day.date().isoformat()).decimalyear)


def _stars_of_field(program: Program, observation: Observation) -> CatalogueStars:
    drawn, field = stars_of(observation), observation.field
    dice = random_numbers("gaia", field.target, field.seed)
    ra, dec = _around(dice, field.ra, field.dec)
    ra, dec = np.concatenate([drawn.ra, ra]), np.concatenate([drawn.dec, dec])
    bright = -2.5 * np.log10(drawn.flux / ZERO_POINT)
    mag = np.concatenate([bright, dice.uniform(bright.min(), bright.max(), AROUND)])
    pmra, pmdec = dice.normal(0, SPEED, (2, len(ra)))
    still = dice.uniform(size=len(ra)) < UNMOVED
    pmra[still] = pmdec[still] = 0.0
    years = EPOCH - epoch_of(program, observation)
    ra, dec = moved(ra, dec, pmra, pmdec, years)
    pmra[still] = pmdec[still] = np.nan
    return CatalogueStars(ra=ra, dec=dec, pmra=pmra, pmdec=pmdec, mag=mag)


def _around(dice: np.random.Generator, ra: float, dec: float) -> Iterable[np.ndarray]:
    """Return positions around a field, not in it."""
    away = np.sqrt(dice.uniform(NEAR**2, FAR**2, AROUND))
    angle = dice.uniform(0, 2 * np.pi, AROUND)
    return ra + away * np.cos(angle) / np.cos(np.radians(dec)), dec + away * np.sin(angle)
