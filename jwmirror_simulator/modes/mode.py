"""An observing mode: exposures, light and references."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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

    @property
    def instrument(self) -> str:
        """Instrument name: NIRCAM, MIRI..."""
        return self.exposures[0].camera.instrument


def expose(mode: Mode, into: Path) -> list[Path]:
    """Write the uncal files of a mode, in order."""
    return [write_exposure(exposure, mode.light_of(exposure), into) for exposure in mode.exposures]
