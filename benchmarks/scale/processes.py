"""CPU time and memory of a program with all processes that it starts."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).parents[2]
PAUSE_S = 0.05  # between two looks at the processes
MB = 1e6
SCRIPT = ".snakemake/scripts/"  # in the arguments of a process that runs the script of a rule


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a program and the processes that it started took."""

    cpu_s: float
    wall_s: float
    largest_mb: float  # of the largest process, at its peak
    together_mb: float  # of all processes at one moment, as far as was seen


def cost_of(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a program to its end. AssertionError, with the end of its output, if that is an error."""
    with tempfile.TemporaryFile() as output:
        began, memory = time.perf_counter(), _Memory()
        process = _started(words, output.fileno(), environment)
        pid, usage, status = os.wait4(process.pid, os.WNOHANG)
        while not pid:
            memory.look_at(_family(process.pid))
            time.sleep(PAUSE_S)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise AssertionError(f"{' '.join(words)} ended with {process.returncode}{_end(output)}")
    return memory.cost(usage.ru_utime + usage.ru_stime, wall)


def cost_until(
    words: Sequence[str], script: str, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a workflow until a process runs the script of a rule; then kill it.

    The process of that script does not count. AssertionError if the workflow ends before.
    """
    with tempfile.TemporaryFile() as output:
        began, memory = time.perf_counter(), _Memory()
        process = _started(words, output.fileno(), environment)
        try:
            while process.poll() is None:
                family = _family(process.pid)
                others = [each for each in family if not _runs(each, script)]
                memory.look_at(others)
                if len(others) < len(family):
                    return memory.cost(sum(map(_cpu_s, others)), time.perf_counter() - began)
                time.sleep(PAUSE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise AssertionError(f"{' '.join(words)} ended without {script}{_end(output)}")


class _Memory:
    """The most memory of processes that was seen."""

    def __init__(self) -> None:
        self._largest = self._together = 0.0

    def look_at(self, family: Sequence[psutil.Process]) -> None:
        """Look at processes; the system knows the peak of each until now."""
        sizes = [_sizes_mb(process) for process in family]
        self._largest = max([self._largest, *(peak for _, peak in sizes)])
        self._together = max(self._together, sum(now for now, _ in sizes))

    def cost(self, cpu_s: float, wall_s: float) -> Cost:
        """Return a cost with this memory."""
        return Cost(
            cpu_s=cpu_s, wall_s=wall_s, largest_mb=self._largest, together_mb=self._together
        )


def _started(
    words: Sequence[str], output: int, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _end(output: IO[bytes]) -> str:
    """Return the last lines of what a program printed."""
    output.seek(0)
    return f":\n{output.read().decode(errors='replace')[-4000:]}"


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and those that it started, as far as they are alive."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _sizes_mb(process: psutil.Process) -> tuple[float, float]:
    """Return the resident memory of a process now, and at its peak."""
    found = {"VmRSS": 0.0, "VmHWM": 0.0}
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) * 1024 / MB
    return found["VmRSS"], found["VmHWM"]


def _cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process, and of those that it started and that have ended."""
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _runs(process: psutil.Process, script: str) -> bool:
    with suppress(psutil.Error):
        return any(SCRIPT in word and word.endswith(script) for word in process.cmdline())
    return False
