"""One exposure in any mode: its settings, file name and times."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from jwmirror_simulator.modes.instruments.cameras import Camera, Window


class Dither(NamedTuple):
    """A position in a dither pattern."""

    pattern: str
    number: int  # of the position, from 1
    positions: int  # of the pattern
    offset: tuple[float, float]  # arcsec


@dataclass(frozen=True, kw_only=True)
class ModeExposure:
    """An exposure, or one segment of a long exposure."""

    program: int
    observation: int
    number: int  # of the exposure in its visit
    camera: Camera
    window: Window
    exp_type: str
    filter: str  # empty if the instrument has none
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
    dither: Dither | None = None
    cards: tuple[tuple[str, object], ...] = ()  # (visit.tsovisit, True): more of the header
    cells: tuple[tuple[str, str], ...] = ()  # (TSOVISIT, T): more of the pool
    candidates: tuple[
        tuple[str, str], ...
    ] = ()  # (c1001, CORONAGRAPHY), in addition to the observation

    @property
    def visit(self) -> str:
        """Visit ID: 01346001001."""
        return f"{self.program:05d}{self.observation:03d}001"

    @property
    def root(self) -> str:
        """File name without its suffix: jw01346001001_02101_00001-seg001_nrcb1."""
        segment = f"-seg{self.segment:03d}" if self.segment else ""
        detector = self.camera.detector.lower()
        return f"jw{self.visit}_02101_{self.number:05d}{segment}_{detector}"

    @property
    def filename(self) -> str:
        """Name of the uncal file."""
        return f"{self.root}_uncal.fits"

    @property
    def integration_time(self) -> float:
        """Seconds of one integration."""
        return self.window.frame_time * self.groups

    @property
    def begin(self) -> datetime:
        """Start of the whole exposure."""
        return datetime.fromisoformat(self.start) + timedelta(
            days=self.observation - 1, minutes=10 * (self.number - 1)
        )

    @property
    def end(self) -> datetime:
        """End of the whole exposure."""
        seconds = self.integration_time * (self.whole or self.integrations)
        return self.begin + timedelta(seconds=seconds)
