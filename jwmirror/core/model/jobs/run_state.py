"""How far a run is, at one moment.

The fields of the records are the keys of `running` in `jwmirror status --json`.
"""

from dataclasses import dataclass
from typing import Literal

Phase = Literal[
    "query", "fetch", "settle", "references", "plan", "calibrate", "publish", "conclude"
]


@dataclass(frozen=True, kw_only=True)
class FetchState:
    """The downloads of a run, from MAST over all observations, or of references."""

    observations: int  # that have something to fetch; 0 of references
    files: int
    files_done: int  # those that failed included
    bytes: int  # as MAST lists them
    bytes_done: int
    rate: float | None = None  # bytes/s; None: nothing arrives now, or it is not known
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class LevelState:
    """The calibration of one level of a run; an exposure counts once for each recipe."""

    level: str
    exposures: int  # or associations, or single steps
    exposures_done: int  # those that failed included
    failed: int
    jobs: int
    jobs_done: int
    jobs_at_work: int
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class StageState:
    """A stage that a job computes now."""

    host: str
    level: str
    recipe: str
    product: str
    pipeline: str
    step: str  # "" before the first one
    seconds: float  # in this step
    at: str  # ISO, UTC, by the clock of its host: the last sign of its job
    silent_s: float = 0.0  # without a sign, as far as it was watched


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How far a run is that goes on."""

    run: str  # its id
    began: str  # ISO, UTC; "" if it is not known
    host: str  # where it was started; "" if it is not known
    is_alive: bool | None  # None: it was started on another host, and was not watched for long
    phase: Phase
    fetch: FetchState | None = None  # None: nothing is fetched, or it is not known yet
    references: FetchState | None = None  # while they are synced
    levels: tuple[LevelState, ...] = ()  # that are planned and have something to calibrate
    levels_to_plan: tuple[str, ...] = ()
    at_work: tuple[StageState, ...] = ()

    @property
    def level(self) -> LevelState | None:
        """The level that is calibrated now; None in other phases."""
        if self.phase != "calibrate":
            return None
        return next((level for level in self.levels if level.jobs_done < level.jobs), None)

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the present phase will take, or this level; None if not known."""
        present = self.downloads or self.level
        return present.seconds_left if present else None

    @property
    def downloads(self) -> FetchState | None:
        """The downloads of the present phase, if it has any."""
        if self.phase == "references":
            return self.references
        return self.fetch if self.phase == "fetch" else None
