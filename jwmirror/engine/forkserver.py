"""A warm process: imports `jwst` once, then forks itself for each stage.

`python -m jwmirror.engine.forkserver` reads jobs from standard input and answers on standard
output, a line of JSON each. It is a program of its own, not a pool of the caller's, so that the
caller's main module is never imported again, and so that another python (an older jwst) can run
it. A fork per stage: what a stage breaks, leaks or is killed for ends with it.
"""

import contextlib
import ctypes
import logging
import os
import selectors
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.log import FORMAT
from jwmirror.core.model import Derivation, canonical, parse
from jwmirror.core.model.plan import Cost, Output
from jwmirror.engine.preload import preload
from jwmirror.engine.stage import run_stage
from jwmirror.pipeline import ramps
from jwmirror.pipeline.derivation import software_versions

DONE, FAILED, KILLED, LATE = "done", "failed", "killed", "late"
CHUNK = 65536  # bytes
DIE_WITH_PARENT = 1  # Linux: PR_SET_PDEATHSIG


@dataclass(frozen=True, kw_only=True)
class StageJob:
    """A stage to run: in `folder`, which holds its inputs; messages are appended to `log`.

    Hooks of the user's are looked for in `base`.
    """

    number: int
    derivation: Derivation
    folder: str
    base: str
    log: str
    timeout_s: float
    ramp: str = ramps.FULL


@dataclass(frozen=True, kw_only=True)
class StageOutcome:
    """How a job ended: done, failed (`error` says why), killed (as for want of memory) or late."""

    number: int
    kind: str
    outputs: tuple[Output, ...] = ()
    error: str = ""
    cost: Cost = field(default_factory=lambda: Cost(seconds=0.0, peak_memory=0))


@dataclass
class RunningStage:
    """A running fork, and what it has said so far through its pipe."""

    pid: int
    job: StageJob
    started: float  # monotonic, s
    said: bytearray = field(default_factory=bytearray)
    is_late: bool = False

    @property
    def deadline(self) -> float:
        """When it counts as late (monotonic, s)."""
        return self.started + self.job.timeout_s


class ForkServer:
    """Forks a child per job and reports its ending; ends when nobody sends jobs any more."""

    def __init__(self, jobs: int, answers: BinaryIO):
        self._jobs, self._answers = jobs, answers
        self._heard = bytearray()
        self._children: dict[int, RunningStage] = {}  # by the read end of its pipe
        self._selector = selectors.DefaultSelector()
        self._selector.register(jobs, selectors.EVENT_READ)

    def serve(self) -> None:
        """Work until standard input is closed; what still runs then is killed."""
        is_open = True
        while is_open:
            for key, _ in self._selector.select(self._patience()):
                if key.fd == self._jobs:
                    is_open = self._hear()
                else:
                    self._listen(key.fd)
            self._stop_late_ones()
        for child in self._children.values():
            _kill(child.pid)
            os.waitpid(child.pid, 0)

    def _patience(self) -> float | None:
        """Seconds until the next deadline; None if nothing runs."""
        pending = [child.deadline for child in self._children.values() if not child.is_late]
        return max(0.0, min(pending) - time.monotonic()) if pending else None

    def _hear(self) -> bool:
        data = os.read(self._jobs, CHUNK)
        self._heard += data
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            self._start(parse(bytes(line), StageJob))
        return bool(data)

    def _start(self, job: StageJob) -> None:
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            _work(job, theirs)
        os.close(theirs)
        with contextlib.suppress(ProcessLookupError):
            os.setpgid(pid, pid)  # so that _kill finds its group from now on
        self._children[ours] = RunningStage(pid=pid, job=job, started=time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ)

    def _listen(self, pipe: int) -> None:
        child = self._children[pipe]
        data = os.read(pipe, CHUNK)
        child.said += data
        if not data:
            self._selector.unregister(pipe)
            os.close(pipe)
            del self._children[pipe]
            self._answer(_ending(child))

    def _answer(self, ending: StageOutcome) -> None:
        self._answers.write(canonical(ending).encode() + b"\n")
        self._answers.flush()

    def _stop_late_ones(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if not child.is_late and child.deadline <= now:
                child.is_late = True
                _kill(child.pid)


def _ending(child: RunningStage) -> StageOutcome:
    """What became of a child that has closed its pipe; waits for its exit."""
    _, status, usage = os.wait4(child.pid, 0)
    kilobyte = 1 if sys.platform == "darwin" else 1024
    cost = Cost(
        seconds=time.monotonic() - child.started,
        peak_memory=usage.ru_maxrss * kilobyte,
        software=software_versions(),
    )
    code = os.waitstatus_to_exitcode(status)
    number = child.job.number
    if child.is_late:
        return StageOutcome(number=number, kind=LATE, cost=cost)
    if code == -signal.SIGKILL:  # what systems do when memory runs out
        return StageOutcome(number=number, kind=KILLED, error="Killed", cost=cost)
    if code != 0 or not child.said:
        error = signal.strsignal(-code) if code < 0 else f"exit status {code}"
        error = f"its process ended without a word ({error or code})"
        return StageOutcome(number=number, kind=FAILED, error=error, cost=cost)
    said = parse(bytes(child.said), StageOutcome)
    return StageOutcome(
        number=number, kind=said.kind, outputs=said.outputs, error=said.error, cost=cost
    )


def _kill(pid: int) -> None:
    """Kill a child with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


# ---- in the child ----------------------------------------------------------------------------


def _work(job: StageJob, pipe: int) -> None:
    """Run the job, say how it ended, and leave; never returns into the server's code."""
    try:
        os.setpgid(0, 0)  # the server does it too: whoever is first
        _die_with_parent()
        _send_messages_to(job.log)
        ending = _attempt(job)
        with os.fdopen(pipe, "wb") as answer:
            answer.write(canonical(ending).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _attempt(job: StageJob) -> StageOutcome:
    try:
        outputs = run_stage(job.derivation, Path(job.folder), Path(job.base), job.ramp)
    except JwmirrorError as err:
        return StageOutcome(number=job.number, kind=FAILED, error=str(err))
    except MemoryError as err:  # where the system refuses memory instead of killing for it
        traceback.print_exc()
        return StageOutcome(number=job.number, kind=KILLED, error=f"MemoryError: {err}")
    except BaseException as err:  # whatever a pipeline or a hook raises spoils this job only
        traceback.print_exc()
        text = str(err).strip().splitlines()
        error = f"{type(err).__name__}: {text[0]}" if text else type(err).__name__
        return StageOutcome(number=job.number, kind=FAILED, error=error)
    return StageOutcome(number=job.number, kind=DONE, outputs=outputs)


def _send_messages_to(path: str) -> None:
    """All that is printed or logged from now on is appended to a file."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    ours = logging.getLogger("jwmirror")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False


def _die_with_parent() -> None:
    """Where the system can (Linux): be killed when the server is, so as not to work for nobody."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


# ---- the program -----------------------------------------------------------------------------


def main() -> None:
    """Serve standard input; standard output is kept for answers, prints go to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    preload()
    ForkServer(0, answers).serve()


if __name__ == "__main__":
    main()
