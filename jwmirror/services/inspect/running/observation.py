"""A run that goes on, looked at once or again and again, from any machine that sees the mirror.

Clocks of machines differ. So times of records are compared with times of the same clock only, and
how long a job gave no sign is measured by who watches.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model.jobs.run_state import FetchState, LevelState, Phase, RunState, StageState
from jwmirror.core.model.run import Heartbeat
from jwmirror.planning.estimates.remaining import (
    OrderedFiles,
    RunningChain,
    RunningJob,
    fetch_state,
    level_state,
)
from jwmirror.services.inspect.running.records import Batches, RunRecords
from jwmirror.store.lock import RUN_LOCK, LockNote, LockOwner, lock_file, lock_note
from jwmirror.store.runs import REFERENCES, RunFiles, started_at

PURPOSE = "run "  # begins the purpose of a run in the note of its lock
WINDOW_S = 60.0  # over which rates are averaged
LEAST_WINDOW_S = 10.0
LOOK_S = 1.0  # between two looks
SHARE = 20  # times as long as a look takes, at least
SILENT_S = 120.0  # without a heartbeat: then a job does not count as at work
OLD_S = 300.0  # older than other files: then it was not written lately, whatever the clocks


def run_state(root: Path) -> RunState | None:
    """Return how far the run is that goes on in a mirror; None if none does."""
    note = lock_note(root, RUN_LOCK)
    run = run_of(note)
    return RunObserver(root, run, note).look() if run else None


def run_of(note: LockNote | None) -> str:
    """Return the id of the run that has locked a mirror; "" if none has."""
    return note.purpose.removeprefix(PURPOSE) if note and note.purpose.startswith(PURPOSE) else ""


@dataclass(frozen=True)
class _Seen:
    """A heartbeat, since when it is as it is (monotonic), and its age when it was seen first."""

    beat: Heartbeat
    since: float
    age: float = 0.0

    def unchanged_s(self, now: float) -> float:
        return self.age + now - self.since


@dataclass(frozen=True)
class _Sample:
    """What one look saw."""

    time: float  # monotonic
    phase: Phase
    bytes: int  # fetched
    stages: int  # at work


class RunObserver:
    """Looks at one run; rates and silence are known better the longer it looks."""

    def __init__(self, root: Path, run: str, note: LockNote | None = None):
        self._run, self._note = run, note
        self._lock = lock_file(root, note, RUN_LOCK) if note else None  # touched by its owner
        self.files = RunFiles(Path(root) / "receipts" / "runs" / run)
        self._records = RunRecords(self.files)
        self._seen: dict[Path, _Seen] = {}
        self._finished: set[Path] = set()  # heartbeats of jobs that have ended in order
        self._has_looked = False
        self._next_look = 0.0  # monotonic
        self._samples: list[_Sample] = []

    def look_if_due(self) -> RunState | None:
        """Return the same as `look`; None if it is too early, or a record cannot be read now.

        Looks take a small part of the time only: a mirror may be large, or its disk slow.
        """
        started = time.monotonic()
        if started < self._next_look:
            return None
        state: RunState | None = None
        with suppress(OSError, StoreError):  # a run that ends may be deleted
            state = self.look()
        ended = time.monotonic()
        self._next_look = ended + max(LOOK_S, SHARE * (ended - started))
        return state

    def look(self) -> RunState:
        """Return how far the run is.

        Raises:
            StoreError: a record is damaged.
        """
        now = time.monotonic()
        self._records.refresh()
        phase = self._records.phase()
        self._see(self._records.heartbeats(), now)
        beats = {path: s for path, s in self._seen.items() if s.unchanged_s(now) < SILENT_S}
        downloads = self._references(beats, None) or self._fetch_state(beats, None)
        stages = sum(len(seen.beat.stages) for seen in beats.values())
        self._take(_Sample(now, phase, downloads.bytes_done if downloads else 0, stages))
        owner = LockOwner.of(self._note.holder) if self._note else None
        return RunState(
            run=self._run,
            began=started_at(self._run),
            host=owner.host if owner else "",
            is_alive=owner.is_alive() if owner else None,
            phase=phase,
            fetch=self._fetch_state(beats, self._rate() if phase == "fetch" else None),
            references=self._references(beats, self._rate()),
            levels=tuple(self._levels(beats, now)),
            levels_to_plan=tuple(
                level for level in self._records.levels if self._records.plan(level) is None
            ),
            at_work=tuple(self._stages(now)),
        )

    def _see(self, beats: Mapping[Path, Heartbeat], now: float) -> None:
        """Note which heartbeats are new; of those that are there at the first look also the age."""
        is_first = not self._has_looked
        self._has_looked = True
        ages = _ages([*beats, *filter(None, [self._lock])]) if is_first else {}
        for path, beat in beats.items():
            if path not in self._seen or self._seen[path].beat != beat:
                age = ages.get(path, 0.0)
                self._seen[path] = _Seen(beat, now, age if age > OLD_S else 0.0)
        for path in self._seen.keys() - beats.keys():
            del self._seen[path]
            self._finished.add(path)
        self._finished -= beats.keys()

    def _take(self, sample: _Sample) -> None:
        """Keep the samples of the last minute, of the present phase."""
        recent = (
            each
            for each in self._samples
            if each.phase == sample.phase and sample.time - each.time <= WINDOW_S
        )
        self._samples = [*recent, sample]

    def _rate(self) -> float | None:
        """Return the bytes/s that arrived lately; None if it was not watched long enough."""
        first, last = self._samples[0], self._samples[-1]
        if last.time - first.time < LEAST_WINDOW_S:
            return None
        return max(last.bytes - first.bytes, 0) / (last.time - first.time)

    def _fetch_state(self, beats: Mapping[Path, _Seen], rate: float | None) -> FetchState | None:
        of_orders = {
            path.stem.removeprefix("fetch-"): seen.beat.fetch
            for path, seen in beats.items()
            if seen.beat.fetch
        }
        records = self._records
        return fetch_state(records.orders, records.fetched, of_orders, rate, records.observations)

    def _references(self, beats: Mapping[Path, _Seen], rate: float | None) -> FetchState | None:
        """Return how far the sync of references is; None if nothing is synced now."""
        seen = beats.get(self.files.fetch_heartbeat(REFERENCES))
        if seen is None or seen.beat.fetch is None:
            return None
        beat = seen.beat.fetch
        expected = {REFERENCES: OrderedFiles(beat.expected_files, beat.expected)}
        state = fetch_state(expected, (), {REFERENCES: beat}, rate, observations=0)
        return state if state and state.files else None

    def _levels(self, beats: Mapping[Path, _Seen], now: float) -> Iterator[LevelState]:
        for level in self._records.levels:
            if batches := self._records.plan(level):
                jobs = self._jobs(level, batches, beats, now)
                at_once = max(sample.stages for sample in self._samples)
                yield level_state(level, batches, self._records.ends(level), jobs, at_once)

    def _jobs(
        self, level: str, batches: Batches, beats: Mapping[Path, _Seen], now: float
    ) -> dict[str, RunningJob]:
        """Return the jobs of a level that are at work.

        One that has removed its heartbeat has ended in order; its receipt may be seen later.
        """
        jobs: dict[str, RunningJob] = {}
        for batch, chains in batches.items():
            path = self.files.heartbeat(level, batch)
            if path in beats:
                jobs[batch] = _running(beats[path], now)
            elif path in self._finished:
                jobs[batch] = RunningJob(ended=len(chains), chains=())
        return jobs

    def _stages(self, now: float) -> Iterator[StageState]:
        """Yield the stages that run, those of silent jobs included; not of jobs that have ended."""
        for path, seen in self._seen.items():
            level, _, batch = path.stem.rpartition("-")
            if seen.beat.fetch or batch in self._records.ends(level):
                continue
            silent = seen.unchanged_s(now)
            for stage in seen.beat.stages:
                yield StageState(
                    host=seen.beat.host,
                    level=level,
                    recipe=stage.recipe,
                    product=stage.product,
                    pipeline=stage.pipeline,
                    step=stage.step,
                    seconds=_between(stage.since, seen.beat.at) + silent,
                    at=seen.beat.at,
                    silent_s=silent if silent >= SILENT_S else 0.0,
                )


def _running(seen: _Seen, now: float) -> RunningJob:
    """Return what a heartbeat says, and for how long each of its stages has run."""
    beat, passed = seen.beat, seen.unchanged_s(now)
    return RunningJob(
        ended=beat.ended,
        chains=tuple(
            RunningChain(each.recipe, each.product, _between(each.began, beat.at) + passed)
            for each in beat.stages
        ),
    )


def _between(earlier: str, later: str) -> float:
    """Return the seconds between two times of one clock; 0 if one is not known."""
    if not (earlier and later):
        return 0.0
    passed = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    return max(passed.total_seconds(), 0.0)


def _ages(paths: Iterable[Path]) -> dict[Path, float]:
    """Return the seconds from the last change of each file to that of the newest one."""
    times: dict[Path, float] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            times[path] = path.stat().st_mtime
    newest = max(times.values(), default=0.0)
    return {path: newest - time for path, time in times.items()}
