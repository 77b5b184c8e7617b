"""Heartbeats of a job: a small file that says what it computes or fetches, and how far it is."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.files import write_bytes
from jwmirror.core.jsonio import encoded
from jwmirror.core.model import Chain, Derivation
from jwmirror.core.model.run import FetchBeat, Heartbeat, StageBeat

BEAT_S = 10.0  # between heartbeats, if nothing changes
FETCH_BEAT_S = 2.0  # between those of a fetch, which changes all the time
LEAST_S = 1.0  # between heartbeats, if steps follow each other fast


class Heartbeats:
    """Rewrites the heartbeat of this job from a thread, until it is closed; then removes it.

    Its file appears with the first stage. A disk that refuses it changes nothing else. Without a
    path, nothing is written.
    """

    def __init__(self, path: Path | None = None):
        self._path = path
        self._stages: dict[object, StageBeat] = {}  # by an object for each stage that runs
        self._ended: set[tuple[str, str]] = set()  # recipe and product of chains
        self._fetched: Callable[[], FetchBeat] | None = None
        self._changed, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, chain: Chain, derivation: Derivation) -> Iterator[Callable[[str], None]]:
        """Show a stage while the block runs; yield a function that notes the step it is in."""
        stage, began = object(), _now()

        def note(step: str) -> None:
            with self._lock:
                self._stages[stage] = replace(beat, step=step, since=_now())
            self._changed.set()

        names = (chain.recipe, derivation.product, derivation.pipeline)
        beat = StageBeat(*names, step="", since=began, began=began)
        note("")
        self._start()
        try:
            yield note
        finally:
            with self._lock:
                del self._stages[stage]
            self._changed.set()

    @contextmanager
    def fetch(self, fetched: Callable[[], FetchBeat]) -> Iterator[None]:
        """Show while the block runs what `fetched` returns then; close at its end."""
        self._fetched = fetched
        self._start()
        try:
            yield
        finally:
            self.close()

    def note_end(self, chain: Chain) -> None:
        """Count a chain as ended; one that is run again counts once."""
        with self._lock:
            self._ended.add((chain.recipe, chain.product))
        self._changed.set()

    def close(self) -> None:
        """End the heartbeats, and remove their file."""
        self._closed.set()
        self._changed.set()
        if self._path and self._thread:
            self._thread.join()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path.parent.rmdir()  # of the last job that runs

    def _start(self) -> None:
        with self._lock:
            if self._path and self._thread is None:
                self._thread = threading.Thread(target=self._beat, daemon=True)
                self._thread.start()

    def _beat(self) -> None:
        while not self._closed.is_set():
            self._changed.clear()
            self._write()
            self._closed.wait(LEAST_S)
            self._changed.wait(FETCH_BEAT_S - LEAST_S if self._fetched else BEAT_S)

    def _write(self) -> None:
        with self._lock:
            stages, ended = tuple(self._stages.values()), len(self._ended)
        beat = Heartbeat(
            host=socket.gethostname(),
            pid=os.getpid(),
            at=_now(),
            stages=stages,
            ended=ended,
            fetch=self._fetched() if self._fetched else None,
        )
        if self._path:
            with suppress(OSError):
                write_bytes(self._path, encoded(beat), is_durable=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
