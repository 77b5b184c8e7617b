"""Fork server: a process that imports jwst once and forks itself for each stage.

`python -m jwmirror.engine.forkserver` reads jobs from standard input and answers on standard
output, one line of JSON each. It is a separate program, not a process pool, so that the caller's
main module is not imported again, and so that another Python (with an older jwst) can run it. Each
stage has a fork, so its leaks, damage and kills end with it.
"""

import contextlib
import ctypes
import logging
import os
import selectors
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, Literal

from jwmirror.core.errors import JwmirrorError, disk_error, disk_line
from jwmirror.core.files import probe_disk
from jwmirror.core.log import PrintableFormatter
from jwmirror.core.model import Derivation, canonical, parse
from jwmirror.core.model.plan import Cost, Output
from jwmirror.core.model.quality import Measurements
from jwmirror.core.model.stored import FailureCause
from jwmirror.core.printing import PrintableStream, printable
from jwmirror.engine.preload import preload
from jwmirror.engine.stage import run_stage
from jwmirror.pipeline.derivation import engine_versions, software_versions

FAILED: Final = "failed"
KILLED: Final = "killed"
LATE: Final = "late"
DISK: Final = "disk"
DONE: Final = "done"
RUNNING: Final = "running"
CHUNK = 65536  # bytes
DIE_WITH_PARENT = 1  # Linux: PR_SET_PDEATHSIG


@dataclass(frozen=True, kw_only=True)
class StageJob:
    """A stage to run in `folder`, which contains its inputs.

    Messages are appended to `log`. The user's hooks are looked for in `base`.
    """

    derivation: Derivation
    folder: str
    base: str
    log: str
    timeout_s: float
    ramp_mode: str
    number: int = 0  # set by the client


@dataclass(frozen=True, kw_only=True)
class StageOutcome:
    """What a job answers: while it runs, the `step` that it has come to; at last, how it ended.

    It is done, failed, killed (probably for memory), late, or the disk was full; `error` says why.
    """

    number: int
    kind: FailureCause | Literal["done", "running"]
    step: str = ""
    outputs: tuple[Output, ...] = ()
    measurements: Measurements | None = None  # of what is done
    error: str = ""
    cost: Cost = field(default_factory=lambda: Cost(seconds=0.0, peak_memory=0))


@dataclass
class RunningStage:
    """A running fork, and the part of its answer that has arrived."""

    pid: int
    job: StageJob
    started: float  # monotonic, s
    answer: bytearray = field(default_factory=bytearray)
    is_late: bool = False

    @property
    def deadline(self) -> float:
        """The time at which it counts as late (monotonic, s)."""
        return self.started + self.job.timeout_s


class ForkServer:
    """Forks a child per job and reports its outcome; ends when the pipe for jobs is closed."""

    def __init__(self, jobs: int, answers: BinaryIO):
        self._jobs, self._answers = jobs, answers
        self._received = bytearray()
        self._children: dict[int, RunningStage] = {}  # by the read end of its pipe
        self._selector = selectors.DefaultSelector()
        self._selector.register(jobs, selectors.EVENT_READ)

    def serve(self) -> None:
        """Run jobs until their pipe is closed; kill those that still run then."""
        is_open = True
        while is_open:
            for key, _ in self._selector.select(self._seconds_left()):
                if key.fd == self._jobs:
                    is_open = self._receive_jobs()
                else:
                    self._receive_answer(key.fd)
            self._stop_late_stages()
        for child in self._children.values():
            _kill(child.pid)
            os.waitpid(child.pid, 0)

    def _seconds_left(self) -> float | None:
        """Return the seconds until the next deadline; None if nothing runs."""
        pending = [child.deadline for child in self._children.values() if not child.is_late]
        return max(0.0, min(pending) - time.monotonic()) if pending else None

    def _receive_jobs(self) -> bool:
        """Start the jobs that have arrived; False if the pipe is closed."""
        data = os.read(self._jobs, CHUNK)
        self._received += data
        *lines, self._received = self._received.split(b"\n")
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

    def _receive_answer(self, pipe: int) -> None:
        child = self._children[pipe]
        data = os.read(pipe, CHUNK)
        child.answer += data
        *steps, child.answer = child.answer.split(b"\n")
        for line in steps:
            self._answers.write(line + b"\n")
        if not data:
            self._selector.unregister(pipe)
            os.close(pipe)
            del self._children[pipe]
            self._answers.write(canonical(_outcome(child)).encode() + b"\n")
        self._answers.flush()

    def _stop_late_stages(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if not child.is_late and child.deadline <= now:
                child.is_late = True
                _kill(child.pid)


def _outcome(child: RunningStage) -> StageOutcome:
    """Return the outcome of a child that has closed its pipe; wait for its exit."""
    _, status, usage = os.wait4(child.pid, 0)
    kilobyte = 1 if sys.platform == "darwin" else 1024
    cost = Cost(
        seconds=time.monotonic() - child.started,
        peak_memory=usage.ru_maxrss * kilobyte,
        software=software_versions(),
    )
    code, number = os.waitstatus_to_exitcode(status), child.job.number
    if child.is_late:
        return StageOutcome(number=number, kind=LATE, cost=cost)
    if code == -signal.SIGKILL:  # what systems do when memory runs out
        return StageOutcome(number=number, kind=KILLED, error="Killed", cost=cost)
    if code != 0 or not child.answer:
        if refused := next(_full_disks(child.job), ""):  # as by SIGBUS, of a mapped file
            return StageOutcome(number=number, kind=DISK, error=refused, cost=cost)
        why = signal.strsignal(-code) if code < 0 else f"exit status {code}"
        error = f"its process ended without an answer ({why or code})"
        return StageOutcome(number=number, kind=FAILED, error=error, cost=cost)
    return replace(parse(bytes(child.answer), StageOutcome), cost=cost)


def _full_disks(job: StageJob) -> Iterator[str]:
    """Yield a line on each disk that a stage writes to, if it has no room now.

    For the folder of the stage, the line names the newest file, which was probably being written.
    """
    for folder in (Path(job.folder), Path(job.log).parent, Path(tempfile.gettempdir())):
        if refused := probe_disk(folder):
            is_own = str(folder) == job.folder
            yield disk_line(refused, (_newest_file(folder) if is_own else None) or folder)


def _newest_file(folder: Path) -> Path | None:
    """Return the file of a folder that was written last; links are inputs."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return max(files, key=lambda path: path.stat().st_mtime_ns, default=None)


def _kill(pid: int) -> None:
    """Kill a child and all processes that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


# ---- in the child ----------------------------------------------------------------------------


def _work(job: StageJob, pipe: int) -> None:
    """Run the job, answer with its outcome, and exit; never return into the server's code."""
    try:
        os.setpgid(0, 0)  # the server does so too; either may be first
        _die_with_parent()
        outcome = _attempt(job, pipe)
        with os.fdopen(pipe, "wb") as answer:
            answer.write(canonical(outcome).encode())
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _attempt(job: StageJob, pipe: int) -> StageOutcome:
    def announce(step: str) -> None:
        outcome = StageOutcome(number=job.number, kind=RUNNING, step=step)
        os.write(pipe, canonical(outcome).encode() + b"\n")

    try:
        _send_messages_to(job.log)
        outputs, measurements = run_stage(
            job.derivation, Path(job.folder), Path(job.base), job.ramp_mode, announce
        )
    except BaseException as err:  # whatever a pipeline or a hook raises fails this job only
        if not isinstance(err, JwmirrorError):
            with contextlib.suppress(OSError):
                traceback.print_exc()
        return _failed(job, err)
    return StageOutcome(number=job.number, kind=DONE, outputs=outputs, measurements=measurements)


def _failed(job: StageJob, error: BaseException) -> StageOutcome:
    """Return the outcome of a stage that raised an error."""
    if isinstance(error, MemoryError):  # where the system refuses memory instead of killing for it
        return StageOutcome(number=job.number, kind=KILLED, error=f"MemoryError: {error}")
    refused = disk_error(error)
    if refused and refused.filename:
        return StageOutcome(number=job.number, kind=DISK, error=disk_line(refused))
    if refused or _is_of_system(error):
        default = disk_line(refused, job.folder) if refused else ""
        if line := next(_full_disks(job), default):
            return StageOutcome(number=job.number, kind=DISK, error=line)
    text = str(error) if isinstance(error, JwmirrorError) else _described(error)
    return StageOutcome(number=job.number, kind=FAILED, error=text)


def _is_of_system(error: BaseException | None) -> bool:
    """Return whether an OSError led to an error; those of numpy and astropy have no number."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error is not None


def _described(error: BaseException) -> str:
    """Return class and first line of an error.

    The text of an error of Spec2Pipeline is a traceback, whose last line has both.
    """
    lines = str(error).strip().splitlines()
    if lines and lines[0].startswith("Traceback "):
        return printable(lines[-1])
    return f"{type(error).__name__}: {printable(lines[0])}" if lines else type(error).__name__


def _send_messages_to(path: str) -> None:
    """Append everything that is printed or logged from now on to a file."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter())
    ours = logging.getLogger("jwmirror")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False


def _die_with_parent() -> None:
    """Ask the system (Linux only) to kill this process when the server dies."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


# ---- the program -----------------------------------------------------------------------------


def main() -> None:
    """Serve standard input; answers go to standard output, everything printed to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    software_versions(), engine_versions()  # of what preload imports, not of a later edit
    preload()
    ForkServer(0, answers).serve()


if __name__ == "__main__":
    main()
