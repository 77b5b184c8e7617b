"""Progress of downloads: a line in the log every few seconds, and a live line on a terminal."""

import logging
import sys
import time
from typing import Self, TextIO

import rich.progress as bars
from rich.console import Console

from jwmirror.core.printing import duration

LOG_S = 5.0  # between two lines in the log
WINDOW_S = 10.0  # over which the rate is averaged

log = logging.getLogger(__name__)


class Progress:
    """Counts of files and bytes, and how many are expected; `add` may be called by any thread.

    Use it as a context manager: the live line is removed at its end, and the log gets a last line.
    """

    def __init__(self, files: int, size: int, terminal: TextIO | None = None):
        self._files, self._expected_files = 0, files
        self._logged = time.monotonic()
        self._bar = bars.Progress(
            bars.TextColumn("{task.fields[files]} of {task.fields[expected]} files"),
            bars.BarColumn(),
            bars.DownloadColumn(),
            bars.TransferSpeedColumn(),
            bars.TimeRemainingColumn(),
            console=Console(file=terminal),
            speed_estimate_period=WINDOW_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not (terminal and terminal.isatty()),
        )
        self._id = self._bar.add_task("", total=size, files=0, expected=files)
        self.add(0)  # the rate is counted from here

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._bar.stop()
        if error is None:
            task = self._bar.tasks[0]
            log.info("%s", self._summary(task.completed / max(task.elapsed or 0.0, 1e-3)))

    def add(self, count: int) -> None:
        """Count bytes that arrived, or, below zero, that were discarded."""
        self._bar.advance(self._id, count)

    def add_file(self) -> None:
        """Count a file that is finished, downloaded or not."""
        self._files += 1
        self._bar.update(self._id, files=self._files)

    @property
    def files(self) -> int:
        """The number of files that are finished."""
        return self._files

    @property
    def bytes(self) -> int:
        """The bytes that arrived."""
        return round(self._bar.tasks[0].completed)

    @property
    def rate(self) -> float:
        """The bytes/s of the last seconds; 0 if that is not known."""
        return max(self._bar.tasks[0].speed or 0.0, 0.0)

    def log_if_due(self) -> None:
        """Write a line to the log if the last one is old enough."""
        if time.monotonic() - self._logged >= LOG_S:
            self._logged = time.monotonic()
            log.info("%s", self._summary(self.rate))

    def _summary(self, rate: float) -> str:
        """Return counts, rate (bytes/s) and, if known, the time left in words."""
        task = self._bar.tasks[0]
        missing = task.remaining or 0
        words = (
            f"downloaded {self._files} of {self._expected_files} files, "
            f"{task.completed / 1e6:.1f} of {(task.total or 0) / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
        )
        if self._files == self._expected_files or missing <= 0 or rate <= 0:
            return words
        return f"{words}, {duration(missing / rate)} left"


def terminal() -> TextIO | None:
    """Return standard error if it is a terminal, as it was when the process began."""
    return sys.__stderr__ if sys.__stderr__ and sys.__stderr__.isatty() else None
