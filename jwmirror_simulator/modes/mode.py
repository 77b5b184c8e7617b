"""An observing mode: exposures, light, references, and the true stars of an image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.modes.uncal import write_exposure

PROGRAM = 1346


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Exposures of one scene, the light on the detector, and the references they need."""

    name: str
    exposures: tuple[ModeExposure, ...]
    light_of: Callable[[ModeExposure], np.ndarray]  # DN/s, as exposures.write takes it
    write_references: Callable[[ReferenceWriter], None]
    keys: Mapping[str, tuple[str, ...]]  # of parameter references: what each is matched by
    stars: Callable[[], tuple[SkyCoord, np.ndarray]] | None = None  # of an image; fluxes in Jy

    @property
    def instrument(self) -> str:
        """Instrument name: NIRCAM, MIRI..."""
        return self.exposures[0].camera.instrument


def write_truth(mode: Mode, path: Path) -> Path:
    """Write the truth table (ra, dec in degrees; flux_jy) of a mode that has stars."""
    if mode.stars is None:
        raise ValueError(f"{mode.name} has no stars")
    places, fluxes = mode.stars()
    table = Table([places.ra.deg, places.dec.deg, fluxes], names=["ra", "dec", "flux_jy"])
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path, overwrite=True)
    return path


def expose(mode: Mode, into: Path) -> list[Path]:
    """Write the uncal files of a mode, in order."""
    return [write_exposure(exposure, mode.light_of(exposure), into) for exposure in mode.exposures]
