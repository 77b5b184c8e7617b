"""Drawing of all comparisons of a generation, in processes with limits of time and memory.

A process of multiprocessing would run the script again that draws, which is one of Snakemake's.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Timer
from typing import IO

import msgspec

import jwmirror
from jwmirror.compare.pictures.drawing import (
    HIDDEN,
    Locate,
    failed_comparison,
    kept_comparison,
)
from jwmirror.compare.pictures.records import DrawingTask, DrawnComparison, Pair
from jwmirror.core.jsonio import canonical, parse

BUDGET_S = 120.0  # seconds of drawing in one run
PAIR_S = 60.0  # seconds that drawing one comparison may take
PROCESSES = 2  # at most; each needs some 300 MB
FEW = 8  # comparisons for which another process is not worth its imports
LEFT_S = 86_400.0  # age of a temporary folder that a killed process has left
COMMAND = (sys.executable, "-P", "-m", "jwmirror.compare.pictures.worker")
TAIL = 400  # bytes of its last messages that are logged
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

log = logging.getLogger(__name__)


def draw_all(
    pairs: Iterable[Pair], locate: Locate, folder: Path, budget_s: float = BUDGET_S
) -> dict[str, DrawnComparison]:
    """Return the comparisons of pairs by their names; those missing are not drawn yet.

    Kept ones are read first. The others are drawn in the order of the pairs, by processes of their
    own; no drawing begins when the budget is used up, and none takes longer than its own limit.
    """
    end = time.monotonic() + budget_s
    drawn: dict[str, DrawnComparison] = {}
    missing: SimpleQueue[Pair] = SimpleQueue()
    for pair in pairs:
        if kept := kept_comparison(pair, folder):
            drawn[pair.name] = kept
        else:
            missing.put(pair)
    if missing.empty() or budget_s <= 0:
        return drawn
    count = min(PROCESSES, os.cpu_count() or 1, -(-missing.qsize() // FEW))
    _remove_leftovers(folder)
    with ThreadPoolExecutor(count) as pool:
        made = pool.map(lambda _: _draw_until(end, missing, locate, folder), range(count))
        return drawn | {one.name: one for part in made for one in part}


def _draw_until(
    end: float, missing: SimpleQueue[Pair], locate: Locate, folder: Path
) -> list[DrawnComparison]:
    """Draw by one process what is missing, as long as time.monotonic is before `end`."""
    process, drawn = DrawingProcess(folder), []
    with suppress(Empty):
        try:
            while time.monotonic() < end:
                pair = missing.get_nowait()
                task = DrawingTask(pair, str(locate(pair.old)), str(locate(pair.new)))
                drawn.append(process.draw(task))
        finally:
            process.close()
    return drawn


class DrawingProcess:
    """Draws into a folder; its process starts with the first task, and again after it was killed.

    It ends with `close`, or with this process, which closes its input.
    """

    def __init__(self, folder: Path, pair_s: float = PAIR_S) -> None:
        self._folder, self._pair_s = folder, pair_s
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: IO[bytes] | None = None  # of the present process

    def draw(self, task: DrawingTask) -> DrawnComparison:
        """Return the comparison of a task; if the process was killed, one whose note says so."""
        process = self._process = self._process or self._start()
        timer = Timer(self._pair_s, process.kill)
        timer.daemon = True
        timer.start()
        try:
            line = _ask(process, canonical(task).encode() + b"\n")
        finally:
            is_late = not timer.is_alive()
            timer.cancel()
        with suppress(msgspec.DecodeError):
            return parse(line, DrawnComparison)
        log.warning("%s was not drawn: %s", task.pair.name, self._last_messages())
        self.close()
        why = f"it took more than {self._pair_s:g} s" if is_late else "its process ended"
        return failed_comparison(task.pair, f"the comparison was not drawn: {why}")

    def _last_messages(self) -> str:
        if self._messages is None:
            return ""
        self._messages.seek(0)
        return self._messages.read()[-TAIL:].decode(errors="replace")

    def close(self) -> None:
        """End the process, and remove what it leaves."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
            if self._messages is not None:
                self._messages.close()
            for left in self._folder.glob(f"{HIDDEN}{process.pid}.*"):
                shutil.rmtree(left, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a process with this jwmirror first on its path, and one thread."""
        root = str(Path(jwmirror.__file__).parent.parent)
        paths = filter(None, [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        threads = dict.fromkeys(THREADS, "1")
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        return subprocess.Popen(
            [*COMMAND, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C reaches the caller, who ends it
        )


def _ask(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Return the answer to a line; b"" if the process has ended."""
    if process.stdin is None or process.stdout is None:
        return b""
    try:
        process.stdin.write(line)
        process.stdin.flush()
        return process.stdout.readline()
    except BrokenPipeError:
        return b""


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders of processes that were killed long ago."""
    for left in folder.glob(f"{HIDDEN}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
