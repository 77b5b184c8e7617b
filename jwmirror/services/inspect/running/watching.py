"""A run watched until it ends, also from another machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.core.errors import as_typed
from jwmirror.core.model.jobs.run_state import RunState
from jwmirror.core.model.plan import Published
from jwmirror.core.model.run import Stop
from jwmirror.services.inspect.running.observation import RunObserver, run_of
from jwmirror.store.lock import (
    LOOK_S,
    RUN_LOCK,
    STILL_S,
    LockNote,
    LockOwner,
    LockWatch,
    lock_file,
    lock_note,
)
from jwmirror.store.runs import RunFiles, read_if_written

STORED = "What it fetched and computed is stored; the next run goes on from there."


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: without an error or with one, and in one sentence."""

    is_complete: bool
    text: str


def follow_run(root: Path, draw: Callable[[RunState], None], show: Callable[[str], None]) -> int:
    """Watch a run as `watch_run`, show how it ended, and return the exit code."""
    end = watch_run(root, draw)
    show(end.text if end else f"No run is going on in {root.absolute()}.")
    return 0 if end is None or end.is_complete else 1


def watch_run(
    root: Path, draw: Callable[[RunState], None], interval_s: float = LOOK_S
) -> RunEnd | None:
    """Watch the run that goes on in a mirror until it ends; None if none goes on.

    `draw` shows how far it is, every `interval_s`: more than a second would count a dead owner on
    another host too late.
    """
    note = lock_note(root, RUN_LOCK)
    run = run_of(note)
    if note is None or not run:
        return None
    observer, watch = RunObserver(root, run, note), LockWatch()
    path = lock_file(root, note, RUN_LOCK)
    while path.exists():
        if watch.is_free(path):
            return _death(run, note)
        if state := observer.look_if_due():
            draw(replace(state, is_alive=True))
        time.sleep(interval_s)
    return end_of_run(observer.files)


def _death(run: str, note: LockNote) -> RunEnd:
    """Return the end of a run whose process is gone and has not unlocked the mirror."""
    owner = LockOwner.of(note.holder)
    is_seen = owner is not None and owner.is_alive() is False
    host = f" on {owner.host}" if owner else ""
    why = f"its process{host} is gone" if is_seen else f"no sign of it{host} for {STILL_S:g} s"
    return RunEnd(False, f"Run {run} has died: {why}. {STORED}")


def end_of_run(files: RunFiles) -> RunEnd:
    """Return how a run ended that has unlocked the mirror, by its records."""
    name = f"Run {files.folder.name} has ended"
    if files.unchanged.exists() or not files.folder.exists():
        return RunEnd(True, f"{name}: nothing had changed.")
    published = read_if_written(files.published, Published)
    if published:
        state = "is new" if published.is_new else "is up to date"
        generation = f"generation {published.generation} {state}"
        if files.conclusion.exists():
            return RunEnd(True, f"{name}: {generation}.")
        return RunEnd(
            False, f"{name}: {generation}, but some of it failed; see {as_typed('failures')}."
        )
    stop = read_if_written(files.stopped, Stop)
    why = f" ({stop.rule}: {stop.why.rstrip('.')})" if stop and stop.why else ""
    return RunEnd(False, f"{name} and published nothing{why}; see {as_typed('failures')}. {STORED}")
