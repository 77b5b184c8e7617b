"""Child processes with a time limit, which are killed with all processes that they have started.

A process must be the leader of its group: it is started with `start_new_session=True`.
"""

import os
import signal
import subprocess
from contextlib import suppress
from threading import Timer
from typing import IO, Self


class TimeLimit:
    """Kills a process that works longer than a `with` block may take; then `is_over` is true."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float):
        self._process, self.seconds, self.is_over = process, seconds, False
        self._timer = Timer(seconds, self._stop)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._timer.cancel()

    def _stop(self) -> None:
        self.is_over = True
        kill_group(self._process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its group, and all others in the group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def opened_pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe to or from a process that was started with pipes."""
    assert stream is not None  # noqa: S101 - for mypy
    return stream
