"""What a mode of observing is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jwmirror_simulator.crds.writer import Shelf
from jwmirror_simulator.modes.exposure import Shot, write

PROGRAM = 1346


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Exposures of one scene, the light that falls on each, and the references they need."""

    name: str
    shots: tuple[Shot, ...]
    light_of: Callable[[Shot], np.ndarray]  # DN/s, as shots.write takes it
    write_references: Callable[[Shelf], None]
    keys: Mapping[str, tuple[str, ...]]  # of parameter references: what each is matched by

    @property
    def instrument(self) -> str:
        """NIRCAM, MIRI..."""
        return self.shots[0].camera.instrument


def expose(mode: Mode, into: Path) -> list[Path]:
    """Write the uncal files of a mode, in order."""
    return [write(shot, mode.light_of(shot), into) for shot in mode.shots]
