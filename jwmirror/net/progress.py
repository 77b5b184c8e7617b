"""How far the downloads are: told in the log every few seconds, and live on a terminal."""

import logging
import sys
import threading
import time
from typing import TextIO

LOG_S = 5.0  # between two lines in the log
LIVE_S = 0.2  # between two pictures on a terminal
WINDOW_S = 10.0  # over which the rate is taken

log = logging.getLogger(__name__)


class Progress:
    """Counts of files and bytes, of how many; safe to count in from any thread."""

    def __init__(self, files: int, size: int, terminal: TextIO | None = None):
        self._total_files, self._total = files, size  # bytes, as far as they are known
        self._terminal = terminal if terminal and terminal.isatty() else None
        self._files = self._bytes = 0
        self._began = self._told = self._shown = time.monotonic()
        self._marks = [(self._began, 0)]  # (time, bytes), for the rate
        self._counting = threading.Lock()

    def add(self, count: int) -> None:
        """Count bytes that came, or, below zero, that were thrown away."""
        with self._counting:
            self._bytes += count

    def add_file(self) -> None:
        """Count a file that is done with."""
        self._files += 1

    def tell(self) -> None:
        """Write a line to the log, and redraw the one on the terminal, when it is time."""
        now = time.monotonic()
        if self._terminal and now - self._shown >= LIVE_S:
            self._shown = now
            self._terminal.write(f"\r\x1b[K{self}")
            self._terminal.flush()
        if now - self._told >= LOG_S:
            self._told = now
            self._mark(now)
            log.info("%s", str(self))

    def conclude(self) -> None:
        """Clear the terminal's line, and write the last one to the log."""
        if self._terminal:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
        self._marks = [(self._began, 0)]
        log.info("%s", str(self))

    def _mark(self, now: float) -> None:
        recent = [mark for mark in self._marks if now - mark[0] <= WINDOW_S]
        self._marks = [*(recent or self._marks[-1:]), (now, self._bytes)]

    @property
    def rate(self) -> float:
        """Bytes/s of late."""
        since, count = self._marks[0]
        return max(self._bytes - count, 0) / max(time.monotonic() - since, 1e-3)

    def __str__(self) -> str:
        rate, missing = self.rate, self._total - self._bytes
        words = (
            f"downloaded {self._files} of {self._total_files} files, "
            f"{self._bytes / 1e6:.1f} of {self._total / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
        )
        if self._files == self._total_files or missing <= 0 or rate <= 0:
            return words
        return f"{words}, {duration(missing / rate)} left"


def duration(seconds: float) -> str:
    """Words for a time: 40 s, 12 min, 3 h 5 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def terminal() -> TextIO | None:
    """The terminal of this process's standard error, if it is one."""
    return sys.stderr if sys.stderr and sys.stderr.isatty() else None
